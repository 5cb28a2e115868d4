"""Widths among networks that share their weights, by a graph network: after Chen et al. 2021, arXiv 2004.08423."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.data.dataset import Dataset, Split
from trainables.errors import InfeasibleTrial, TrainingDiverged
from trainables.methods.training_alone import train_alone
from trainables.methods.width_proposals import Budget, Measured, Network, Proposals
from trainables.methods.widths import add_passes, counted, held_out, judged, part_of, searched_groups, set_widths
from trainables.modes import statistics_kept
from trainables.structure.supernet import Supernet, leading
from trainables.structure.width_graph import WidthGraph
from trainables.structure.widths import Limits, WidthCosts, Widths, widths_of
from trainables.tasks.base import LOSS
from trainables.tasks.classification import smoothed
from trainables.training.acts import Acts
from trainables.training.companion import Companion
from trainables.training.logits import logits_of
from trainables.training.norms import BATCH, refresh_norms, tracking_norms

if TYPE_CHECKING:
    from trainables.recipes.widths import ShareWeights
    from trainables.state import LiveTrial

SEARCH_SEED: Final = 12_000_017
"""Added to a trial's seed where widths are drawn."""

NORM_BATCHES: Final = 4
"""Over how many batches of training images the statistics of a measured network's batch norms are taken."""

REACHED: Final = 0.97
"""The least share of its budget that the widest network must cost."""

TAU: Final = "predictor_tau"
"""The metric of how the graph network orders measured networks that it has not learnt from: Kendall's tau."""

PREDICTED: Final = "predicted_score"
NETWORKS: Final = "networks_measured"
TRAINED: Final = "networks_trained"
AGREEMENT: Final = "trained_tau"
"""The metric of how shared weights, as the graph network has learnt them, order what was trained by itself: tau."""

ENOUGH: Final = 2
"""How many networks that were trained by themselves can correct anything."""


class WidthSearch(Companion):
    """Trains narrower networks with the widest one in each step, and chooses among them when the stage ends.

    The sandwich of Yu & Huang 2019, arXiv 1903.05134, without its distillation: losses of the widest network, the
    narrowest one and random ones are added. Measures `width.GROUP`, `predictor_tau`, `predicted_score` and
    `networks_measured`, with networks that are trained by themselves `networks_trained` and `trained_tau`. What all
    these networks take in training and in measuring counts in its cost.
    """

    def __init__(self, rule: "ShareWeights", trial: "LiveTrial") -> None:
        self._rule, self._trial = rule, trial
        groups, shape = searched_groups(trial), trial.dataset.input_shape
        self._supernet, self._costs = Supernet(trial.model, groups), WidthCosts.of(trial.model, shape, groups)
        self._widest = widths_of(groups)
        self._limits = {name: Limits(max(1, round(rule.narrowest * most)), most) for name, most in self._widest.items()}
        self.budget = self._within_reach()
        self.graph = graph_of_widths(trial)
        self._generator = torch.Generator().manual_seed(trial.spec.seed + SEARCH_SEED)
        self._task = smoothed(trial.task, trial.spec.training.label_smoothing)
        self._macs = 0.0
        self._batch: tuple[Tensor, Tensor] | None = None

    def _within_reach(self) -> Budget:
        """Return the budget; raises InfeasibleTrial for one that no network between the widest and narrowest costs."""
        macs = self._rule.macs * self._trial.dense().cost().macs
        most, least = self._costs.macs(self._widest), self._costs.macs(self._narrowest)
        if not least <= macs <= most / REACHED:
            raise InfeasibleTrial(
                f"target_macs asks for {macs:.4g} MACs: networks between narrowest and widest cost {least:.4g} to "
                f"{most:.4g}; choose target_macs between, or another narrowest or widest"
            )
        return Budget(self._costs, self._limits, macs)

    @property
    def _narrowest(self) -> dict[str, int]:
        return {name: limits.narrowest for name, limits in self._limits.items()}

    @property
    def acts(self) -> Acts:
        return Acts(refusal="other networks are trained beside it in every step")

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        self._batch = inputs, labels

    def penalty(self) -> Tensor:
        """Return the sum of the mean losses of the narrower networks on the batch."""
        assert self._batch is not None
        inputs, labels = self._batch
        images = parallel.count(len(labels), labels.device)
        beside = [self._narrowest, *(self._drawn() for _ in range(self._rule.random))]
        self._macs += images * sum(map(self._costs.macs, beside))
        with statistics_kept(self._trial.model):
            losses = [self._loss(widths, inputs, labels) for widths in beside]
        return torch.stack(losses).sum() * parallel.size() / images

    def _drawn(self) -> dict[str, int]:
        """Draw the width of each group uniformly within its limits."""
        return {
            name: int(torch.randint(limits.narrowest, limits.widest + 1, (), generator=self._generator))
            for name, limits in self._limits.items()
        }

    def _loss(self, widths: Widths, inputs: Tensor, labels: Tensor) -> Tensor:
        logits = logits_of(lambda images: self._supernet.outputs(widths, images), inputs, self._trial.precision)
        return self._task.reduced(logits, labels, "sum")

    def after_epoch(self) -> None:
        self._batch = None
        self._trial.position.macs += self._macs / len(self._trial.dataset.train)
        self._macs = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._generator.set_state(state["generator"].cpu())

    def finish(self) -> None:
        seed = self._trial.spec.seed + SEARCH_SEED
        with counted(self._trial):
            proposals = Proposals(self.graph, self.budget, seed, self._rule.doubt)
            measured = self._searched(proposals)
            left_out = proposals.learn(measured)
            self._correct(proposals, measured)
            widths, predicted = proposals.best(measured)
        agreed = parallel.agree({"widths": torch.tensor(widths, device=self._trial.context.device)})["widths"].tolist()
        self._trial.measured |= {
            TAU: _tau(left_out, measured),
            PREDICTED: predicted,
            NETWORKS: float(len(measured)),
        }
        set_widths(self._trial, self.budget.named(agreed), leading)

    def _searched(self, proposals: Proposals) -> Measured:
        """Measure random networks, then rounds of promising ones."""
        rule, measured = self._rule, dict[Network, float]()
        first = rule.networks - rule.rounds * (each := rule.networks // 2 // rule.rounds)
        measured |= self.scores(proposals.first(first))
        for _ in range(rule.rounds):
            proposals.learn(measured)
            measured |= self.scores(proposals.promising(measured, each))
        return measured

    def _correct(self, proposals: Proposals, measured: Measured) -> None:
        """Train some of the measured networks by themselves, and let what comes of it correct what is expected."""
        chosen = proposals.spread(measured, self._rule.trained)
        if len(chosen) < ENOUGH:
            return
        expected, better = proposals.expected(chosen), self.scores_alone(chosen)
        proposals.correct(better)
        self._trial.measured |= {TRAINED: float(len(chosen)), AGREEMENT: _tau(expected, better)}

    def scores(self, networks: Sequence[Network]) -> dict[Network, float]:
        """Measure networks with the weights that they share; count what that costs."""
        images, calibrating = held_out(self._trial, self._rule.held_out), self._calibrating()
        last = self._trial.spec.training.channels_last

        def score(widths: Widths) -> float:
            network = self._supernet.network(widths)
            refresh_norms(network, calibrating, channels_last=last, most=NORM_BATCHES)
            return self._score(network, images)

        scores = self._taking_turns(networks, score, "the networks that share their weights")
        passed = len(images) + (len(calibrating.train) if tracking_norms(self._trial.model) else 0)
        add_passes(self._trial, passed * self._macs_of(networks))
        return scores

    def scores_alone(self, networks: Sequence[Network]) -> dict[Network, float]:
        """Train networks by themselves, and measure them on the same images; count what that costs."""
        rule, trial = self._rule, self._trial
        images = held_out(trial, rule.held_out)

        def score(widths: Widths) -> float:
            network = self._supernet.network(widths)
            train_alone(trial, network, rule.trained_epochs, rule.held_out)
            return self._score(network, images)

        scores = self._taking_turns(networks, score, "networks that are trained by themselves")
        trial.position.macs += rule.trained_epochs * trial.batches(rule.held_out).share * self._macs_of(networks)
        add_passes(trial, len(images) * self._macs_of(networks))
        return scores

    def _taking_turns(
        self, networks: Sequence[Network], score: Callable[[Widths], float], which: str
    ) -> dict[Network, float]:
        """Return the scores of networks, of which several processes take turns."""
        scores = torch.zeros(len(networks), dtype=torch.float64, device=self._trial.context.device)
        for index in range(parallel.rank(), len(networks), parallel.size()):
            with parallel.alone():
                scores[index] = score(self.budget.named(networks[index]))
        scores = parallel.total(scores)
        if not scores.isfinite().all():
            raise TrainingDiverged(f"{which} no longer give numbers")
        return dict(zip(networks, scores.tolist(), strict=True))

    def _macs_of(self, networks: Sequence[Network]) -> float:
        return sum(self._costs.macs(self.budget.named(each)) for each in networks)

    def _score(self, network: nn.Module, images: Split) -> float:
        """Return the metric that selects on held-out images, negated where less of it is better."""
        task, measured = self._trial.task, judged(self._trial, network, images)
        if not math.isfinite(measured.loss):
            return math.nan
        value = measured.loss if task.selects == LOSS else measured.metrics[task.selects]
        return value if task.direction == "maximize" else -value

    def _calibrating(self) -> Dataset:
        """Return a dataset of the training images on which batch norms are measured: random ones, trained on."""
        trained = self._trial.divided(self._rule.held_out)[0]
        order = torch.randperm(len(trained), generator=torch.Generator().manual_seed(self._trial.spec.data.split_seed))
        data = self._trial.dataset
        return replace(data, train=part_of(data.train, trained[order[: NORM_BATCHES * BATCH]]))


def graph_of_widths(trial: "LiveTrial") -> WidthGraph:
    """Return the graph of a trial's network as it is; raises InfeasibleTrial for a network that has none."""
    return WidthGraph.of(trial.model, trial.dataset.input_shape, searched_groups(trial))


def _tau(predicted: Tensor, measured: Measured) -> float:
    """Return Kendall's tau of predictions, NaN where there is none, with what was measured.

    It is 0 where all are alike, or there are fewer than two.
    """
    from scipy.stats import kendalltau  # takes long to import, and every trial imports this module

    known = predicted.isfinite()
    if known.sum() < 2:
        return 0.0
    scores = torch.tensor(list(measured.values()), dtype=torch.float64)
    tau = float(kendalltau(predicted[known].numpy(), scores[known].numpy()).statistic)
    return tau if math.isfinite(tau) else 0.0

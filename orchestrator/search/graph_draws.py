"""A sampler that learns from the layers of networks: a graph network expects results of widths that were not tried.

Of random configurations, that one is tried whose expected gain of hypervolume is the largest, over the members of an
ensemble of graph networks; costs that follow from a configuration are computed. Each layer of a network is a node: how
wide it is, which one it is, and what else the study searches. The ensemble is that of the paradigm `width_search`.
Stopped trials count with what they are estimated to come to, the less the less certain that is, and none of them is
part of the front that is to be enlarged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import optuna
import torch
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from torch import Tensor

from orchestrator.results.front import Points, non_dominated, sign
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.encoding import Encoding
from orchestrator.search.expected_gain import gains
from orchestrator.search.feasible_draws import QUARTILE, SPREAD, FeasibleDraws
from orchestrator.search.initial_design import value_at
from trainables.data import facts
from trainables.methods.graph_predictor import MEMBERS, GraphPredictor
from trainables.methods.rehearsal import shapes_of
from trainables.metrics import COSTS
from trainables.spec import Value
from trainables.structure.width_graph import Nodes

if TYPE_CHECKING:
    from trainables.state import LiveTrial

FIRST: Final = 8
"""From how many results the sampler learns; draws before that are random."""

CANDIDATES: Final = 100
FRESH: Final = 20
"""How many of the candidates are new in each draw; the others were candidates of the draws before."""

MOST_LEARNT: Final = 200
"""From how many of the newest results it learns at most."""

BEYOND: Final = 0.1
"""How far the reference lies beyond the worst of the front, as a share of the range of all results."""

BOLD: Final = 2.0
"""By how much members are taken to differ more than they do: those that learn from the same results agree too much."""

Drawn = dict[str, Value]


@dataclass(frozen=True)
class Results:
    """What configurations came to, as losses (n, objectives), and which were `measured` (n); the others are estimates.

    `spread` (n, objectives) is the standard deviation of an estimate, and 0 for what was measured.
    """

    tried: Sequence[Mapping[str, Value]]
    losses: Points
    measured: npt.NDArray[np.bool_]
    spread: Points


class GraphDraws(FeasibleDraws):
    """Draws the candidate of the largest expected gain."""

    def __init__(self, configurations: Configurations) -> None:
        super().__init__(RandomSampler(seed=configurations.spec.seed), configurations, joint=False)
        self._signs = np.array([sign(way) for way in configurations.spec.objectives.values()], dtype=np.float64)
        self._encoding = Encoding(configurations.distributions)
        self._pool: dict[int, Drawn | None] = {}
        self._shares: dict[str, Tensor] = {}
        """The shares of channels of each network that was built, by its options."""

    def draw(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value], number: int
    ) -> dict[str, Value]:
        told = [other for other in study.get_trials(deepcopy=False) if _tells(other)][-MOST_LEARNT:]
        tried = [other.params for other in study.get_trials(deepcopy=False) if other.params]
        candidates = [one for one in self._candidates(number) if given.items() <= one.items() and one not in tried]
        if len(told) < FIRST or not candidates or all(map(_is_estimate, told)):
            return super().draw(study, trial, given, number)
        results = self._results(told)
        samples, losses = self._expected(candidates, results, number), results.losses
        front = losses[results.measured]
        dice = np.random.default_rng([self._configurations.spec.seed, number])
        gain = gains(samples, front, _reference(front), dice)
        expected = (samples.mean(axis=1) / np.maximum(np.ptp(losses, axis=0), np.finfo(np.float64).tiny)).sum(axis=1)
        return candidates[int(np.lexsort((-expected, gain))[-1])]  # the best expected, where no member promises a gain

    def _candidates(self, number: int) -> list[Drawn]:
        """Return random configurations; each depends on the study's seed and its place in the sequence alone."""
        last = FRESH * number + CANDIDATES
        for place in range(last - CANDIDATES, last):
            if place not in self._pool:
                self._pool[place] = self._candidate(place)
        self._pool = {place: one for place, one in self._pool.items() if place >= last - CANDIDATES}
        return [one for place in range(last - CANDIDATES, last) if (one := self._pool[place]) is not None]

    def _candidate(self, place: int) -> Drawn | None:
        """Return a random configuration; None for one that cannot be carried out."""
        dice = np.random.default_rng([self._configurations.spec.seed, place])
        drawn = self._configurations.draw(lambda _, distribution: value_at(distribution, float(dice.random())))
        return drawn if self._is_feasible(drawn) else None

    def _results(self, told: Sequence[FrozenTrial]) -> Results:
        losses = np.asarray(self._signs * np.array([trial.values for trial in told]))
        spread = np.array([trial.user_attrs.get(SPREAD) or [0.0] * len(self._signs) for trial in told])
        measured = np.array([not _is_estimate(trial) for trial in told])
        return Results([trial.params for trial in told], losses, measured, QUARTILE * spread)

    def _expected(self, candidates: Sequence[Drawn], results: Results, number: int) -> npt.NDArray[np.float64]:
        """Return the losses that each member expects of candidates, or knows, (candidates, members, objectives)."""
        known, wanted = self._rows(results.tried), self._rows(candidates)
        samples = np.empty((len(candidates), MEMBERS, len(self._signs)))
        for column, name in enumerate(self._configurations.spec.objectives):
            costs = np.array([self._cost(name, one) for one in candidates]) * self._signs[column]
            samples[:, :, column] = costs[:, None]
            if np.isnan(costs).any():
                predictor = GraphPredictor(self._nodes.smoothing, self._configurations.spec.seed + number)
                spread = torch.tensor(results.spread[:, column])
                predictor.fit(known, results.losses[:, column].tolist(), spread)
                expected = predictor.members(wanted).T.numpy()
                middle = expected.mean(axis=1, keepdims=True)
                expected = middle + BOLD * (expected - middle)
                samples[:, :, column] = np.where(np.isnan(costs)[:, None], expected, samples[:, :, column])
        return samples

    def _cost(self, name: str, drawn: Drawn) -> float:
        """Return an objective that is known before training; NaN for others."""
        if name not in COSTS:
            return np.nan
        params = self._configurations.params(drawn)
        bounds = self._configurations.expected_costs(str(drawn[PARADIGM]), params, roughly=True).get(name)
        return bounds.low if bounds is not None and bounds.is_exact else np.nan

    def _rows(self, drawn: Sequence[Mapping[str, Value]]) -> Tensor:
        """Return what is known of each layer: of the network, and what else is searched, the same for all layers."""
        layers = self._nodes.rows(torch.stack([self._shares_of(one) for one in drawn]))
        searched = torch.tensor(np.array([self._encoding.row(one) for one in drawn]), dtype=torch.float64)
        return torch.cat([layers, searched[:, None].expand(-1, layers.shape[1], -1)], 2)

    def _shares_of(self, drawn: Mapping[str, Value]) -> Tensor:
        """Return the sides of each layer as shares of the study's own network; 0 for layers that are not there.

        A trial of an earlier study that lacks what is searched here had the study's own.
        """
        try:
            params = self._configurations.params(drawn)
        except KeyError:
            params = {}
        model = self._configurations.spec.trial(str(drawn[PARADIGM]), params, 0).model
        if model.label not in self._shares:
            here = dict(self._built(str(drawn[PARADIGM]), params).model.named_parameters())
            own = dict(self._own.model.named_parameters())
            shares = [
                [here[name].shape[side] / own[name].shape[side] if name in here else 0.0 for side in (0, 1)]
                for name in self._nodes.names
            ]
            self._shares[model.label] = torch.tensor(shares, dtype=torch.float64)
        return self._shares[model.label]

    @cached_property
    def _nodes(self) -> Nodes:
        return Nodes.of(self._own.model, self._own.dataset.input_shape)

    @cached_property
    def _own(self) -> "LiveTrial":
        return self._built("dense", {})

    def _built(self, paradigm: str, params: Mapping[str, Value]) -> "LiveTrial":
        spec = self._configurations.spec
        return shapes_of(spec.trial(paradigm, params, spec.seed), facts(spec.data))


def _tells(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and bool(np.isfinite(trial.values).all())


def _is_estimate(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get(SPREAD))


def _reference(losses: Points) -> npt.NDArray[np.float64]:
    """Return a point a little beyond the worst of the front, so that it may grow beyond its ends."""
    extent = np.ptp(losses, axis=0)
    return np.asarray(non_dominated(losses).max(axis=0) + BEYOND * np.where(extent > 0, extent, 1.0))

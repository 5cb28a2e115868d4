"""A perceptron trained by sweeps of closed forms: hidden layers towards targets from above, then the decision layer.

After Zhang et al. 2021, Non-gradient manifold neural network, arXiv 2106.07905, of which only the abstract was
available: the division into ridge regressions forward, low-rank inverses backward and a decision layer of Stiefel
manifold and adaptive SVM is theirs, the equations are derived here (docs/manifold_network.md).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.errors import InfeasibleTrial
from trainables.methods.backward_targets import low_rank_inverse
from trainables.methods.deciding import SCALE, Deciding, solved_from
from trainables.methods.decision_layer import Stiefel
from trainables.methods.layer_passes import LastInputs, Passes
from trainables.methods.layer_starts import SMALLEST_PATCH, differences, draw_pairs, patches, scaled
from trainables.methods.layers import Layer, layers_of
from trainables.methods.ridge import Moments, row_norms, row_sparse
from trainables.structure.complexity import Complexity, effective
from trainables.structure.removal import RemovalPlan, plan_removal
from trainables.tasks.classification import Classification
from trainables.training.companion import Companion
from trainables.training.epoch import Epoch, EpochResult

if TYPE_CHECKING:
    from trainables.recipes.in_training import SolveLayers
    from trainables.state import LiveTrial

ROW_PRICE: Final = 1e-3
"""The price of a row's norm by which units are ranked."""


def require_classes(trial: "LiveTrial") -> None:
    """Raise InfeasibleTrial for a task without classes, images that change from epoch to epoch, and an ensemble."""
    if not isinstance(trial.task, Classification):
        raise InfeasibleTrial(
            f"layers are solved for classes, and task: {trial.spec.task} has none: leave manifold_network out"
        )
    if trial.spec.data.corruptions is not None:
        raise InfeasibleTrial(
            "layers are solved for the images as they are: leave data.corruptions out, or manifold_network"
        )
    if trial.spec.ensemble is not None:
        raise InfeasibleTrial(
            "an ensemble is drawn from the steps of an optimizer, and solved layers take none: leave ensemble out, or "
            "manifold_network"
        )


FARTHEST: Final = 20.0
"""How many times as far as their solution hidden layers move at most, where that lowers the loss."""


@dataclass
class Share:
    """What a network makes of a share of the images: outputs near 0 and 1, and what each misses of its target."""

    outputs: list[Tensor] = field(default_factory=list)
    missing: list[Tensor] = field(default_factory=list)


class LayerSweeps(Companion):
    """Trains each epoch by one sweep over the layers.

    A sweep starts from the weights in the network, the map to the Stiefel manifold that belongs to them, `step`, and
    `loss`, which is the decision layer's in the last sweep that was kept: before its last solution, or after it where
    there is only one. `step` halves when a sweep raised it.
    """

    def __init__(self, rule: "SolveLayers", trial: "LiveTrial") -> None:
        require_classes(trial)
        self._rule, self._trial = rule, trial
        *self._hidden, self._head = self._layers = layers_of(trial.model)
        self._passes = Passes(trial, self._layers)
        self._deciding = Deciding(rule, trial, self._passes)
        self._step, self._loss = rule.step, torch.inf
        self._gram: Tensor | None = None

    @torch.no_grad()
    def train_epoch(self, epoch: Epoch) -> EpochResult:
        begin, self._passes.flops = time.perf_counter(), 0.0
        if epoch.number == 0:
            self._start()
            loss = self._deciding.decide()
        else:
            if epoch.number == 1 and self._step:
                self._passes.count(0, gram=True)  # a resumed trial computes it again, which is no cost of the method
            loss = self._sweep()
        self._loss = loss
        if self._rule.sparsity and epoch.number == self._rule.sweeps - 1:
            self._prune()
        return EpochResult(
            loss=loss,
            images=self._passes.images,
            seconds=time.perf_counter() - begin,
            flops=self._passes.flops,
            rated=False,
        )

    def _sweep(self) -> float:
        """Solve all layers; take the sweep back, and half the step for the next one, if it raised the loss."""
        before = {name: value.clone() for name, value in self._trial.model.state_dict().items()}
        stiefel = self._deciding.stiefel
        if self._step:
            for share in range(self._shares):
                for index in range(len(self._hidden)):
                    self._solve_hidden(index, share)
        loss = self._deciding.decide()
        if not self._step or not loss > self._loss:
            return loss
        self._trial.model.load_state_dict(before)
        self._deciding.stiefel = stiefel
        self._step /= 2
        return self._loss

    @property
    def _shares(self) -> int:
        """In how many shares the images are read, each of two or more."""
        return max(1, min(self._rule.shares, self._passes.images // 2))

    def _start(self) -> None:
        """Draw the hidden layers, each for what those below it put out."""
        data = self._trial.dataset
        for index, layer in enumerate(self._hidden):
            pairs = draw_pairs(data.train.labels, layer.outputs, self._trial.generator)
            first, second = (
                self._passes.below(index, self._passes.numbered(numbers)) for numbers in (pairs.first, pairs.second)
            )
            drawn = self._drawn(index, first, second)
            layer.assign(scaled(drawn, torch.cat([first, second]), self._trial.generator))
        self._head.assign(torch.zeros_like(self._head.solution()))

    def _drawn(self, index: int, first: Tensor, second: Tensor) -> Tensor:
        layer, generator, shape = self._hidden[index], self._trial.generator, self._trial.dataset.input_shape
        if self._rule.start == "random":
            return torch.randn(layer.inputs, layer.outputs, generator=generator).to(first)
        weight = differences(first, second)
        if self._rule.start == "patches" and index == 0 and min(shape[1:]) >= SMALLEST_PATCH:
            weight = weight * patches(shape, layer.outputs, generator).to(weight)
        return weight

    def _solve_hidden(self, index: int, number: int) -> None:
        """Move a hidden layer towards what a share of the images asks of it, as far as lowers their squares most."""
        layer, share = self._layers[index], Share()
        moments = self._asked_moments(index, number, share)
        start, solved = layer.solution(), moments.solve(self._rule.hidden_ridge, key="hidden_ridge")
        change = solved if self._rule.backward != "inverse" else solved - start
        layer.assign(start + change, moments.gram)
        layer.assign(start + self._step * self._farthest(number, share) * change, moments.gram)

    def _asked_moments(self, index: int, number: int, share: Share) -> Moments:
        """Return the sums of what a layer reads of a share of the images, and of what is asked of it."""
        layer, like = self._layers[index], self._head.linear.weight
        inverses = [self._inverse(above).to(like) for above in self._layers[index + 1 :]]
        moments, images = Moments.zeros(layer.inputs, layer.outputs, like.device), self._passes.images / self._shares
        for inputs, labels in self._passes.batches(number, self._shares):
            below = self._passes.below(index, inputs)
            moments.add(below, self._asked(index, below, labels, inverses, share), gram=index > 0)
        self._passes.count_forward(images=images)
        self._passes.count(index, layer.outputs, gram=index > 0, images=images)
        moments = moments.total(gram=index > 0)
        if index == 0:
            moments.gram = self._image_gram() * (moments.count / self._passes.images)
        return moments

    def _inverse(self, layer: Layer) -> Tensor:
        return low_rank_inverse(self._deciding.outputs_of(layer)[:-1], self._rule.damping, self._rule.backward_rank)

    def _image_gram(self) -> Tensor:
        """Return the sum of the products of all images, which is computed once."""
        if self._gram is None:
            moments = Moments.zeros(self._layers[0].inputs, 1, self._head.linear.weight.device)
            for inputs, _ in self._passes.batches():
                moments.add(inputs, inputs[:, :1])
            self._gram = parallel.total(moments.gram)
        return self._gram

    def _asked(self, index: int, below: Tensor, labels: Tensor, inverses: Sequence[Tensor], share: Share) -> Tensor:
        """Return the change of a layer's sums that is asked from above; with inverse targets, the sums."""
        outputs, sums = below, []
        for layer in self._layers[index:]:
            sums.append(layer.sums(outputs))
            outputs = layer.activated(sums[-1])
        decided = outputs / SCALE
        wanted = self._deciding.wanted(decided, labels)
        share.outputs.append(decided)
        share.missing.append(wanted - decided)
        current = [*sums[:-1], decided]
        for place in range(len(inverses), 0, -1):
            layer, upper = self._layers[index + place - 1], self._layers[index + place]
            if self._rule.backward == "inverse":
                wanted = (wanted - self._deciding.outputs_of(upper)[-1].to(wanted)) @ inverses[place - 1]
                wanted = layer.inverse(wanted)
            else:
                change = (wanted - current[place]) @ inverses[place - 1]
                wanted = self._towards(layer, sums[place - 1], change)
        return wanted if self._rule.backward == "inverse" else wanted - sums[0]

    def _towards(self, layer: Layer, sums: Tensor, change: Tensor) -> Tensor:
        """Return the sums that move a layer's outputs by `change`; by the slope of its activation, or exactly."""
        if self._rule.backward == "difference":
            return layer.inverse(layer.activated(sums) + change)
        return sums + layer.slope(sums) * change

    def _farthest(self, number: int, share: Share) -> float:
        """Return how many times a change of the network moves outputs nearest to their targets, if they move in a line.

        The network is changed already; `share` has the outputs before, and what they missed.
        """
        along = torch.zeros(2, dtype=torch.float64, device=self._head.linear.weight.device)
        last = len(self._layers)
        batches = self._passes.batches(number, self._shares)
        for (inputs, _), outputs, missing in zip(batches, share.outputs, share.missing, strict=True):
            moved = self._passes.below(last, inputs) / SCALE - outputs
            along += torch.stack([(missing * moved).sum(), moved.square().sum()]).double()
        self._passes.count_forward(images=self._passes.images / self._shares)
        towards, squares = parallel.total(along).tolist()
        return min(max(towards / squares, 0.0), FARTHEST) if squares else 0.0

    def _prune(self) -> None:
        """Mask the hidden units whose rows in the layer above are shortest in a row-sparse solution of it; solve again.

        The layers above are given what they computed before, and the decision layer its targets.
        """
        keep: dict[str, Tensor] = {}
        for index, layer in enumerate(self._hidden):
            keep[layer.name] = self._refitted(index + 1)
        self._trial.mask_plan(self._plan(keep))
        self._deciding.decide(keep[self._hidden[-1].name])
        self._trial.masks.apply()

    def _refitted(self, index: int) -> Tensor:
        """Return which inputs of a layer stay, and give it a solution that uses no others."""
        reader, is_head = self._layers[index], index == len(self._hidden)
        moments = self._deciding.moments(LastInputs(self._passes))[0] if is_head else self._own_moments(index)
        norms = parallel.agree({"norms": row_norms(row_sparse(moments, ROW_PRICE)[:-1])})["norms"]
        kept = torch.zeros_like(norms, dtype=torch.bool)
        kept[norms.argsort(descending=True, stable=True)[: self._left(reader.inputs)]] = True
        ridge = self._deciding.price if is_head else self._rule.ridge
        solved = solved_from(moments, ridge, kept)
        reader.assign(SCALE * solved if is_head else solved, moments.gram)
        return kept

    def _own_moments(self, index: int) -> Moments:
        """Return the sums of what a hidden layer reads and computes."""
        layer = self._layers[index]
        moments = Moments.zeros(layer.inputs, layer.outputs, layer.linear.weight.device)
        for inputs, _ in self._passes.batches():
            below = self._passes.below(index, inputs)
            moments.add(below, layer.sums(below))
        self._passes.count_forward()
        self._passes.count(index, layer.outputs, gram=True)
        return moments.total()

    def _left(self, units: int) -> int:
        return max(1, round((1 - self._rule.sparsity) * units))

    def _plan(self, keep: Mapping[str, Tensor]) -> RemovalPlan:
        groups = [group for group in self._trial.groups if group.name in keep]
        return plan_removal(groups, {name: kept.cpu() for name, kept in keep.items()})

    def projected(self) -> Complexity | None:
        """Return the cost without the units that will be masked: all of a layer cost the same."""
        if not self._rule.sparsity:
            return None
        keep = {layer.name: torch.arange(layer.outputs) < self._left(layer.outputs) for layer in self._hidden}
        model = self._trial.model
        return effective(model, self._trial.dataset.input_shape, self._plan(keep).masks(model))

    def state_dict(self) -> dict[str, Any]:
        stiefel = self._deciding.stiefel
        return {"step": self._step, "loss": self._loss, "stiefel": stiefel and stiefel.map}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._loss = state["step"], state["loss"]
        self._deciding.stiefel = Stiefel(state["stiefel"]) if state["stiefel"] is not None else None

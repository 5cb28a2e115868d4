"""A perceptron trained by sweeps of closed forms: hidden layers towards targets from above, then the decision layer.

After Zhang et al. 2021, Non-gradient manifold neural network, arXiv 2106.07905, of which only the abstract was
available: the division into ridge regressions forward, low-rank inverses backward and a decision layer of Stiefel
manifold and adaptive SVM is theirs, the equations are derived here (docs/manifold_network.md).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.data.batches import ordered
from trainables.data.dataset import Split
from trainables.errors import InfeasibleTrial
from trainables.methods.backward_targets import low_rank_inverse
from trainables.methods.decision_layer import Decision, Stiefel, indicators
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

BATCH: Final = 2000
"""How many images are multiplied at once; results do not depend on it but for rounding."""

RELAXATION: Final = 1.9
"""How far the decision layer moves to each solution: up to 2 the quadratic that is solved falls, and so does what it
bounds, whose true curvature is smaller."""

SCALE: Final = 8.0
"""Outputs near 0 and 1 times this are logits: the classes are decided alike, and their probabilities make sense."""

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


class LayerSweeps(Companion):
    """Trains each epoch by one sweep over the layers.

    A sweep starts from the weights in the network, the map to the Stiefel manifold that belongs to them, `step`, and
    `loss`, which is the decision layer's in the last sweep that was kept: before its last solution, or after it where
    there is only one. `step` halves when a sweep raised it.
    """

    def __init__(self, rule: "SolveLayers", trial: "LiveTrial") -> None:
        require_classes(trial)
        self._rule, self._trial, self._decision = rule, trial, Decision(rule.manifold, rule.robust)
        *self._hidden, self._head = self._layers = layers_of(trial.model)
        self._step, self._loss = rule.step, torch.inf
        self._stiefel: Stiefel | None = None
        self._gram: Tensor | None = None
        self._flops = 0.0

    @torch.no_grad()
    def train_epoch(self, epoch: Epoch) -> EpochResult:
        begin, self._flops = time.perf_counter(), 0.0
        if epoch.number == 0:
            self._start()
            loss = self._decide()
        else:
            loss = self._sweep(first=epoch.number == 1)
        self._loss = loss
        if self._rule.sparsity and epoch.number == self._rule.sweeps - 1:
            self._prune()
        return EpochResult(
            loss=loss,
            images=len(self._trial.dataset.train),
            seconds=time.perf_counter() - begin,
            flops=self._flops,
            rated=False,
        )

    def _sweep(self, *, first: bool) -> float:
        """Solve all layers; take the sweep back, and half the step for the next one, if it raised the loss."""
        before = {name: value.clone() for name, value in self._trial.model.state_dict().items()}
        stiefel = self._stiefel
        if self._step:
            for index in range(len(self._hidden)):
                self._solve_hidden(index)
                self._count(index, self._hidden[index].outputs, gram=index > 0 or first)
        loss = self._decide()
        if not self._step or not loss > self._loss:
            return loss
        self._trial.model.load_state_dict(before)
        self._stiefel = stiefel
        self._step /= 2
        return self._loss

    def _start(self) -> None:
        """Draw the hidden layers, each for what those below it put out."""
        data = self._trial.dataset
        for index, layer in enumerate(self._hidden):
            pairs = draw_pairs(data.train.labels, layer.outputs, self._trial.generator)
            first, second = (self._below(index, self._images(numbers)) for numbers in (pairs.first, pairs.second))
            layer.assign(scaled(self._drawn(index, first, second), torch.cat([first, second])))
        self._head.assign(torch.zeros_like(self._head.solution()))

    def _drawn(self, index: int, first: Tensor, second: Tensor) -> Tensor:
        layer, generator, shape = self._hidden[index], self._trial.generator, self._trial.dataset.input_shape
        if self._rule.start == "random":
            return torch.randn(layer.inputs, layer.outputs, generator=generator).to(first)
        weight = differences(first, second)
        if self._rule.start == "patches" and index == 0 and min(shape[1:]) >= SMALLEST_PATCH:
            weight = weight * patches(shape, layer.outputs, generator).to(weight)
        return weight

    def _solve_hidden(self, index: int) -> None:
        """Move a hidden layer towards the targets that the layers above ask of it."""
        layer, above = self._layers[index], self._layers[index + 1 :]
        weights = [self._outputs_of(each)[:-1] for each in above]
        rule = self._rule
        like = self._head.linear.weight
        inverses = [low_rank_inverse(weight, rule.damping, rule.backward_rank).to(like) for weight in weights]
        moments = Moments.zeros(layer.inputs, layer.outputs, like.device)
        for inputs, labels in self._batches():
            below = self._below(index, inputs)
            moments.add(below, self._asked(index, below, labels, inverses), gram=index > 0 or self._gram is None)
        moments = self._totalled(moments, index)
        solved = moments.solve(rule.hidden_ridge, key="hidden_ridge")
        start = layer.solution() if rule.backward == "difference" else (1 - self._step) * layer.solution()
        layer.assign(start + self._step * solved, moments.gram)

    def _totalled(self, moments: Moments, index: int) -> Moments:
        """Return the sums over all processes; those of the images' products, which stay, are computed once."""
        if index > 0:
            return moments.total()
        if self._gram is None:
            self._gram = parallel.total(moments.gram)
        moments.gram = self._gram
        return moments.total(gram=False)

    def _asked(self, index: int, below: Tensor, labels: Tensor, inverses: Sequence[Tensor]) -> Tensor:
        """Return the change of a layer's sums that is asked from above; with inverse targets, the sums."""
        outputs, sums = below, []
        for layer in self._layers[index:]:
            sums.append(layer.sums(outputs))
            outputs = layer.activated(sums[-1])
        decided = outputs / SCALE
        wanted, _ = self._decision.quadratic(decided, self._indicator(labels, decided), self._stiefel)
        current = [*sums[:-1], decided]
        for place in range(len(inverses), 0, -1):
            layer, upper = self._layers[index + place - 1], self._layers[index + place]
            if self._rule.backward == "difference":
                wanted = layer.activated(sums[place - 1]) + (wanted - current[place]) @ inverses[place - 1]
            else:
                wanted = (wanted - self._outputs_of(upper)[-1].to(wanted)) @ inverses[place - 1]
            wanted = layer.inverse(wanted)
        return wanted - sums[0] if self._rule.backward == "difference" else wanted

    def _decide(self, kept: Tensor | None = None) -> float:
        """Solve the decision layer several times for the hidden layers as they are; return its loss before the last.

        That of one solution is its loss after it: before, it would be that of weights for other hidden layers.
        With `kept` [m] only from the hidden units that are True there.
        """
        gram, loss = None, torch.inf
        for _ in range(self._rule.decisions):
            moments, loss = self._decision_moments(gram)
            gram = None if self._rule.robust else moments.gram
            self._move_head(moments, kept)
        return self._mean_loss() if self._rule.decisions == 1 else loss

    def _decision_moments(self, gram: Tensor | None) -> tuple[Moments, float]:
        """Return the sums for the next solution, and the mean loss of the present one; `gram` if it is known."""
        head = self._head
        moments = Moments.zeros(head.inputs, head.outputs, head.linear.weight.device)
        loss = torch.zeros_like(moments.count)
        for below, outputs, indicator in self._decided():
            targets, weights = self._decision.quadratic(outputs, indicator, self._stiefel)
            moments.add(below, targets, weights, gram=gram is None)
            loss += self._decision.loss(outputs, indicator, self._stiefel).double()
        self._count(len(self._hidden), head.outputs, gram=gram is None)
        if gram is not None:
            moments.gram = gram
        moments = moments.total(gram=gram is None)
        return moments, float(parallel.total(loss) / moments.count)

    def _mean_loss(self) -> float:
        """Return the mean loss of the decision layer as it is."""
        loss = torch.zeros((), dtype=torch.float64, device=self._head.linear.weight.device)
        for _, outputs, indicator in self._decided():
            loss += self._decision.loss(outputs, indicator, self._stiefel).double()
        self._count_forward()
        return float(parallel.total(loss)) / len(self._trial.dataset.train)

    def _decided(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield what the decision layer reads, its outputs near 0 and 1, and indicators of the labels, by batches."""
        for inputs, labels in self._batches():
            below = self._below(len(self._hidden), inputs)
            outputs = self._head.sums(below) / SCALE
            yield below, outputs, self._indicator(labels, outputs)

    def _move_head(self, moments: Moments, kept: Tensor | None) -> None:
        before = self._outputs_of(self._head)
        solved = _solved(moments, self._decision.price(self._rule.ridge, self._stiefel), kept)
        after = before + (RELAXATION if before.any() else 1.0) * (solved - before)
        self._head.assign(SCALE * after)
        if self._rule.manifold:
            sizes = torch.bincount(self._trial.dataset.train.labels, minlength=self._head.outputs)
            self._stiefel = Stiefel.of(self._products(after, moments), sizes.to(after.device))

    def _products(self, solution: Tensor, moments: Moments) -> Tensor:
        """Return O^T O [k, k] of the decision layer's outputs; weighted moments do not tell it, a pass does."""
        if not self._rule.robust:
            return solution.T @ moments.gram @ solution
        products = torch.zeros_like(solution[: self._head.outputs])
        for _, outputs, _ in self._decided():
            products += outputs.T @ outputs
        self._count_forward()
        return parallel.total(products)

    def _prune(self) -> None:
        """Mask the hidden units whose rows in the layer above are shortest in a row-sparse solution of it; solve again.

        The layers above are given what they computed before, and the decision layer its targets.
        """
        keep: dict[str, Tensor] = {}
        for index, layer in enumerate(self._hidden):
            keep[layer.name] = self._refitted(index + 1)
        self._trial.mask_plan(self._plan(keep))
        self._decide(keep[self._hidden[-1].name])
        self._trial.masks.apply()

    def _refitted(self, index: int) -> Tensor:
        """Return which inputs of a layer stay, and give it a solution that uses no others."""
        reader, is_head = self._layers[index], index == len(self._hidden)
        moments = self._decision_moments(None)[0] if is_head else self._own_moments(index)
        norms = parallel.agree({"norms": row_norms(row_sparse(moments, ROW_PRICE)[:-1])})["norms"]
        kept = torch.zeros_like(norms, dtype=torch.bool)
        kept[norms.argsort(descending=True, stable=True)[: self._left(reader.inputs)]] = True
        ridge = self._decision.price(self._rule.ridge, self._stiefel) if is_head else self._rule.ridge
        solved = _solved(moments, ridge, kept)
        reader.assign(SCALE * solved if is_head else solved, moments.gram)
        return kept

    def _own_moments(self, index: int) -> Moments:
        """Return the sums of what a hidden layer reads and computes."""
        layer = self._layers[index]
        moments = Moments.zeros(layer.inputs, layer.outputs, layer.linear.weight.device)
        for inputs, _ in self._batches():
            below = self._below(index, inputs)
            moments.add(below, layer.sums(below))
        self._count(index, layer.outputs, gram=True)
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

    def _outputs_of(self, layer: Layer) -> Tensor:
        """Return a layer's solution, the head's for outputs near 0 and 1."""
        return layer.solution() / SCALE if layer is self._head else layer.solution()

    def _indicator(self, labels: Tensor, like: Tensor) -> Tensor:
        return indicators(labels, self._head.outputs, like)

    def _below(self, index: int, inputs: Tensor) -> Tensor:
        """Return what the layers below number `index` make of inputs."""
        for layer in self._layers[:index]:
            inputs = layer.activated(layer.sums(inputs))
        return inputs

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's share of the training images, flattened, with their labels."""
        return self._of(self._trial.dataset.train, first=parallel.rank(), every=parallel.size())

    def _images(self, numbers: Tensor) -> Tensor:
        """Return the training images with these numbers, flattened."""
        split = self._trial.dataset.train
        where = numbers.to(split.images.device)
        labels = split.labels[numbers.to(split.labels.device)]
        return torch.cat([images for images, _ in self._of(Split(split.images[where], labels, split.streams_to))])

    def _of(self, split: Split, *, first: int = 0, every: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        data, share = self._trial.dataset, -(-len(split) // every)
        turns = ordered(
            split,
            data.mean,
            data.std,
            batch_size=min(BATCH, max(1, share)),
            channels_last=False,
            first=first,
            every=every,
        )
        return ((images.flatten(1), labels) for images, labels in turns)

    def _count(self, index: int, outputs: int, *, gram: bool) -> None:
        """Count a pass: all layers from the first to the head, products of moments, and the solution."""
        self._count_forward()
        images, inputs = len(self._trial.dataset.train), self._layers[index].inputs + 1
        products = inputs * outputs + (inputs * inputs if gram else 0)
        self._flops += 2.0 * images * products + inputs**3 / 3 + 2.0 * inputs * inputs * outputs

    def _count_forward(self) -> None:
        forward = sum(layer.inputs * layer.outputs for layer in self._layers)
        self._flops += 2.0 * len(self._trial.dataset.train) * forward

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "loss": self._loss, "stiefel": self._stiefel and self._stiefel.map}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._loss = state["step"], state["loss"]
        self._stiefel = Stiefel(state["stiefel"]) if state["stiefel"] is not None else None


def _solved(moments: Moments, ridge: float, kept: Tensor | None) -> Tensor:
    """Return the solution from the inputs that are True in `kept` [m], with zeros for the others."""
    if kept is None:
        return moments.solve(ridge)
    solution = torch.zeros_like(moments.cross)
    solution[torch.cat([kept, kept.new_ones(1)])] = moments.of_inputs(kept).solve(ridge)
    return solution

"""Solutions of the decision layer of a perceptron, from what its hidden layers put out."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.methods.decision_layer import Decision, Stiefel, indicators
from trainables.methods.layer_passes import LastInputs, Passes
from trainables.methods.layers import Layer
from trainables.methods.ridge import Moments

if TYPE_CHECKING:
    from trainables.recipes.in_training import SolveLayers
    from trainables.state import LiveTrial

RELAXATION: Final = 1.9
"""How far the decision layer moves to each solution: up to 2 the quadratic that is solved falls, and so does what it
bounds, whose true curvature is smaller."""

SCALE: Final = 8.0
"""Outputs near 0 and 1 times this are logits: the classes are decided alike, and their probabilities make sense."""


class Deciding:
    """Moves the head from solution to solution; `stiefel` is the map to the manifold that belongs to its weights."""

    def __init__(self, rule: "SolveLayers", trial: "LiveTrial", passes: Passes) -> None:
        self._rule, self._trial, self._passes = rule, trial, passes
        self._decision, self._head = Decision(rule.manifold, rule.robust), passes.layers[-1]
        self.stiefel: Stiefel | None = None

    @property
    def price(self) -> float:
        """The ridge of the next solution."""
        return self._decision.price(self._rule.ridge, self.stiefel)

    def wanted(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Return the targets of outputs near 0 and 1."""
        indicator = indicators(labels, self._head.outputs, outputs)
        return self._decision.quadratic(outputs, indicator, self.stiefel)[0]

    def outputs_of(self, layer: Layer) -> Tensor:
        """Return a layer's solution, the head's for outputs near 0 and 1."""
        return layer.solution() / SCALE if layer is self._head else layer.solution()

    def decide(self, kept: Tensor | None = None) -> float:
        """Solve the decision layer several times for the hidden layers as they are; return its loss before the last.

        That of one solution is its loss after it: before, it would be that of weights for other hidden layers.
        With `kept` [m] only from the hidden units that are True there.
        """
        read, gram, loss = LastInputs(self._passes), None, torch.inf
        for _ in range(self._rule.decisions):
            moments, loss = self.moments(read, gram)
            gram = None if self._rule.robust else moments.gram
            self._move(moments, kept, read)
        return self._mean_loss(read) if self._rule.decisions == 1 else loss

    def moments(self, read: LastInputs, gram: Tensor | None = None) -> tuple[Moments, float]:
        """Return the sums for the next solution, and the mean loss of the present one; `gram` if it is known."""
        head = self._head
        moments = Moments.zeros(head.inputs, head.outputs, head.linear.weight.device)
        loss = torch.zeros_like(moments.count)
        for below, outputs, indicator in self._decided(read):
            targets, weights = self._decision.quadratic(outputs, indicator, self.stiefel)
            moments.add(below, targets, weights, gram=gram is None)
            loss += self._decision.loss(outputs, indicator, self.stiefel).double()
        self._passes.count(len(self._passes.layers) - 1, head.outputs, gram=gram is None)
        if gram is not None:
            moments.gram = gram
        moments = moments.total(gram=gram is None)
        return moments, float(parallel.total(loss) / moments.count)

    def _mean_loss(self, read: LastInputs) -> float:
        """Return the mean loss of the decision layer as it is."""
        loss = torch.zeros((), dtype=torch.float64, device=self._head.linear.weight.device)
        for _, outputs, indicator in self._decided(read):
            loss += self._decision.loss(outputs, indicator, self.stiefel).double()
        return float(parallel.total(loss)) / self._passes.images

    def _decided(self, read: LastInputs) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield what the decision layer reads, its outputs near 0 and 1, and indicators of the labels, by batches."""
        for below, labels in read.batches():
            outputs = self._head.sums(below) / SCALE
            yield below, outputs, indicators(labels, self._head.outputs, outputs)

    def _move(self, moments: Moments, kept: Tensor | None, read: LastInputs) -> None:
        before = self.outputs_of(self._head)
        solved = solved_from(moments, self.price, kept)
        after = before + (RELAXATION if before.any() else 1.0) * (solved - before)
        self._head.assign(SCALE * after)
        if self._rule.manifold:
            sizes = torch.bincount(self._trial.dataset.train.labels, minlength=self._head.outputs)
            self.stiefel = Stiefel.of(self._products(after, moments, read), sizes.to(after.device))

    def _products(self, solution: Tensor, moments: Moments, read: LastInputs) -> Tensor:
        """Return O^T O [k, k] of the decision layer's outputs; weighted moments do not tell it, a pass does."""
        if not self._rule.robust:
            return solution.T @ moments.gram @ solution
        products = torch.zeros_like(solution[: self._head.outputs])
        for _, outputs, _ in self._decided(read):
            products += outputs.T @ outputs
        return parallel.total(products)


def solved_from(moments: Moments, ridge: float, kept: Tensor | None) -> Tensor:
    """Return the solution from the inputs that are True in `kept` [m], with zeros for the others; None: from all."""
    if kept is None:
        return moments.solve(ridge)
    solution = torch.zeros_like(moments.cross)
    solution[torch.cat([kept, kept.new_ones(1)])] = moments.of_inputs(kept).solve(ridge)
    return solution

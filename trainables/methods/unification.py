"""Micro-structured weight unification by ADMM (Lin et al. 2021, arXiv 2106.08301): blocks of one magnitude, or of 0.

A unified block keeps the signs of its weights and one magnitude, their mean, which is the nearest such block. Stored it
is one value and its signs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainables import granularities
from trainables.errors import InvalidValue
from trainables.granularities.block import Block
from trainables.masking.allocation import keep_best
from trainables.masking.masks import prunable_weights
from trainables.masking.packed_blocks import stored_bits
from trainables.methods.pruning import prune
from trainables.structure.complexity import ParameterCosts
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.in_training import Tie, Unify
    from trainables.state import LiveTrial


def signs(weight: Tensor) -> Tensor:
    """Return -1 where a weight is negative, else 1."""
    return torch.where(weight < 0, -1.0, 1.0).to(weight)


def means(values: Tensor, blocks: Block) -> Tensor:
    """Return the mean of values of a weight's shape over each block, [rows, columns] of blocks."""
    return blocks.sum(values) / blocks.sum(torch.ones_like(values))


def unified(weight: Tensor, blocks: Block) -> Tensor:
    """Return the nearest weight whose blocks each have one magnitude, with the signs of `weight`."""
    return signs(weight) * blocks.spread(means(weight.abs(), blocks), weight.shape)


def unifying_loss(weight: Tensor, blocks: Block) -> Tensor:
    """Return, for each block, the squared distance from what `unified` makes of it."""
    return blocks.sum((weight - unified(weight, blocks)).square())


def chosen(weight: Tensor, blocks: Block, stays: Tensor, share: float) -> Tensor:
    """Mark, of the blocks that are marked in `stays`, the share that loses least by being unified."""
    loss = unifying_loss(weight, blocks).masked_fill(~stays, torch.inf).flatten()
    marks = torch.zeros_like(stays).flatten()
    marks[loss.argsort(stable=True)[: round(share * int(stays.sum()))]] = True
    return marks.view_as(stays)


def with_unified(weight: Tensor, blocks: Block, which: Tensor) -> Tensor:
    """Return `weight` with the marked blocks unified."""
    return torch.where(blocks.spread(which, weight.shape), unified(weight, blocks), weight)


def projection(weight: Tensor, blocks: Block, density: float, share: float) -> Tensor:
    """Return `weight` with all blocks but `density` zero, those of least norm, and `share` of the others unified."""
    norms = blocks.sum(weight.square()).sqrt()
    stays = keep_best({"": norms}, density, "layer", {"": weight.shape})[""].bool()
    return with_unified(weight, blocks, chosen(weight, blocks, stays, share)) * blocks.spread(stays, weight.shape)


class Unification(Companion):
    """The three steps of ADMM on all prunable weights W, with targets Z and scaled duals U.

    W moves with the gradient of rho / 2 |W - Z + U|^2 beside the loss; at the end of each iteration
    Z <- projection(W + U), then U <- U + W - Z. At the end of the stage the same projection is applied to W: what is
    zero is masked. Measures `unification_gap`, the distance |W - projection(W)| / |W| that is left then.
    """

    def __init__(self, rule: "Unify", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._steps, self._step = rule, trial, steps, 0
        self._blocks = blocks_of(rule.final.granularity)
        self._weights = prunable_weights(trial.model)
        self._targets = {name: self._projected(weight.detach()) for name, weight in self._weights.items()}
        self._duals = {name: torch.zeros_like(weight) for name, weight in self._weights.items()}

    def _projected(self, weight: Tensor) -> Tensor:
        return projection(weight, self._blocks, self._rule.final.density, self._rule.unify)

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.HOST, after_step=Act.HOST)

    def _iteration(self) -> int:
        return self._step * self._rule.iterations // self._steps

    @torch.no_grad()
    def before_step(self) -> None:
        progress = self._iteration() / max(1, self._rule.iterations - 1)
        rho = self._rule.rho * self._rule.growth**progress
        for name, weight in self._weights.items():
            if weight.grad is not None:
                weight.grad.add_(weight - self._targets[name] + self._duals[name], alpha=rho)

    @torch.no_grad()
    def after_step(self) -> None:
        before, self._step = self._iteration(), self._step + 1
        if self._iteration() > before:
            for name, weight in self._weights.items():
                together = weight + self._duals[name]
                self._targets[name] = self._projected(together)
                self._duals[name] = together - self._targets[name]

    @torch.no_grad()
    def finish(self) -> None:
        before = torch.cat([weight.flatten().clone() for weight in self._weights.values()])
        prune(self._trial, self._rule.final)
        for name, weight in self._weights.items():
            mask = self._trial.masks.items().get(name, torch.ones_like(weight))
            stays = self._blocks.sum(mask) > 0
            weight.copy_(with_unified(weight, self._blocks, chosen(weight, self._blocks, stays, self._rule.unify)))
        after = torch.cat([weight.flatten() for weight in self._weights.values()])
        self._trial.measured["unification_gap"] = float((before - after).norm() / before.norm().clamp_min(1e-30))

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "targets": self._targets, "duals": self._duals}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step, self._targets, self._duals = state["step"], dict(state["targets"]), dict(state["duals"])


class Tying(Companion):
    """Trains one magnitude for each block whose weights have one when the stage begins; their signs stay.

    The gradient of the magnitude is the mean of sign times gradient over the block. Measures the shares of the prunable
    weights in unified blocks, `unified`, `mults`, the multiplications for one image, and `stored_bits`. A unified block
    of a filters and b weights of each multiplies min(a, b) times: sums of inputs with signs, or one product for all
    filters. It is stored as one value and its signs; two bits say of each block which kind it is.
    """

    def __init__(self, rule: "Tie", trial: "LiveTrial") -> None:
        self._trial, self._blocks = trial, blocks_of(rule.granularity)
        self._weights = prunable_weights(trial.model)
        self._tied = {name: self._is_tied(weight.detach()) for name, weight in self._weights.items()}
        self._signs = {name: signs(weight.detach()) for name, weight in self._weights.items()}

    def _is_tied(self, weight: Tensor) -> Tensor:
        """Mark the blocks of several weights that have one magnitude, and not 0."""
        first = self._first(weight.abs())
        differs = self._blocks.sum((weight.abs() != self._blocks.spread(first, weight.shape)).float()) > 0
        return ~differs & (first > 0) & (self._blocks.sum(torch.ones_like(weight)) > 1)

    def _first(self, values: Tensor) -> Tensor:
        """Return the first value of each block."""
        return values.flatten(1)[:: self._blocks.rows, :: self._blocks.size]

    def _tie(self, name: str, values: Tensor) -> None:
        """Give all of a tied block the mean of sign times value, with their signs."""
        sign, shape = self._signs[name], values.shape
        mean = self._blocks.spread(means(sign * values, self._blocks), shape)
        values.copy_(torch.where(self._blocks.spread(self._tied[name], shape), sign * mean, values))

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.SAME, after_step=Act.SAME)

    @torch.no_grad()
    def before_step(self) -> None:
        for name, weight in self._weights.items():
            if weight.grad is not None:
                self._tie(name, weight.grad)

    @torch.no_grad()
    def after_step(self) -> None:
        for name, weight in self._weights.items():  # kernels may round the parts of a tensor differently
            self._tie(name, weight)

    def finish(self) -> None:
        costs = ParameterCosts.of(self._trial.model, self._trial.dataset.input_shape)
        every = sum(weight.numel() for weight in self._weights.values())
        products = {name: self._products(name) for name in self._weights}
        mults = sum(float(costs.macs.get(name, 0)) * one.all for name, one in products.items()) + costs.products
        self._trial.measured |= {
            "unified": sum(one.tied for one in products.values()) / every,
            "mults": mults,
            "stored_bits": float(stored_bits(self._trial.model.parameters())),
        }

    def _products(self, name: str) -> "_Products":
        weight, tied = self._weights[name], self._tied[name].cpu()
        heights, widths = (torch.tensor(side) for side in self._blocks.sides(weight.shape))
        within = self._blocks.spread(tied, weight.shape)
        mask = self._trial.masks.items().get(name)
        alive = torch.ones_like(within) if mask is None else mask.bool().cpu()
        return _Products(
            free=int((alive & ~within).sum()),
            tied=int(within.sum()),
            of_tied=int(torch.minimum(heights[:, None], widths)[tied].sum()),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"tied": self._tied, "signs": {name: sign > 0 for name, sign in self._signs.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._tied = dict(state["tied"])
        self._signs = {name: signs(state["signs"][name].to(w) - 0.5) for name, w in self._weights.items()}


@dataclass(frozen=True)
class _Products:
    """What is multiplied at one position of a weight: `free` values, and `of_tied` products for the `tied` ones."""

    free: int
    tied: int
    of_tied: int

    @property
    def all(self) -> int:
        return self.free + self.of_tied


def blocks_of(granularity: str) -> Block:
    """Return the granularity of that name; raises InvalidValue unless its pieces are blocks."""
    blocks = granularities.find(granularity)
    if not isinstance(blocks, Block):
        raise InvalidValue("granularity", granularity, "must be one of blocks, as block_4 or block_2x2")
    return blocks

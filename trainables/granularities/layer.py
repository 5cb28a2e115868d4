"""Layers: residual blocks, of which only the shortcuts remain."""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from trainables.errors import InfeasibleTrial
from trainables.granularities.base import Granularity, Scores

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.recipes.recipe import Prune
    from trainables.state import LiveTrial
    from trainables.structure.complexity import ParameterCosts, SizeRange
    from trainables.structure.removal import RemovalPlan

_BLOCKS = "blocks"


@dataclass(frozen=True)
class Layer(Granularity):
    """Drop the residual blocks whose branches score lowest across the network. Pieces are [1]."""

    names: ClassVar = ("layer",)
    removes: ClassVar = True

    def sum(self, values: "Tensor") -> "Tensor":
        return values.sum().reshape(1)

    def spread(self, pieces: "Tensor", shape: "torch.Size") -> "Tensor":
        return pieces.view([1] * len(shape)).expand(shape)

    def score(self, trial: "LiveTrial", stage: "Prune", pieces: Scores, dead: Scores) -> Scores:  # noqa: ARG002 - any granularity's
        """Score each residual block by the sum over its branch's layers; dropped blocks stay dropped."""
        import torch

        from trainables.structure.blocks import branch_parameters

        if not trial.blocks:
            name = trial.spec.model.name
            raise InfeasibleTrial(f"{name} has no residual blocks that could be dropped; prune filters")
        sums = [
            -math.inf
            if block in trial.plan.dropped_blocks
            else sum(float(pieces[name]) for name in branch_parameters(trial.model, [block]) if name in pieces)
            for block in trial.blocks
        ]
        return {_BLOCKS: torch.tensor(sums)}

    def decide(self, trial: "LiveTrial", stage: "Prune", scores: Scores) -> "RemovalPlan":
        from trainables.masking.allocation import keep_best

        kept = keep_best(scores, stage.density, "global", {}, spare=True)[_BLOCKS].bool()
        dropped = tuple(block for block, stays in zip(trial.blocks, kept, strict=True) if not stays)
        return replace(trial.plan, dropped_blocks=dropped)

    def size_range(self, trial: "LiveTrial", stage: "Prune", costs: "ParameterCosts") -> "SizeRange":
        """Return the cost without the dearest, and without the cheapest, of the blocks: as many as go."""
        from trainables.structure.blocks import branch_parameters
        from trainables.structure.complexity import SizeRange

        count = len(trial.blocks)
        gone = count - max(1, round(stage.density * count))
        dense, products = costs.size({}), costs.products
        alone = [costs.size(dict.fromkeys(branch_parameters(trial.model, [block]), 0)) for block in trial.blocks]
        macs = sorted(dense.macs - size.macs for size in alone)
        params = sorted(dense.params - size.params for size in alone)
        return SizeRange(
            dense.less(sum(macs[count - gone :]) + (products if gone else 0), sum(params[count - gone :])),
            dense.less(sum(macs[:gone]), sum(params[:gone])),
        )


GRANULARITY = Layer

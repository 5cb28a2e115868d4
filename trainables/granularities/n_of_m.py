"""Patterns of N of M: of every M weights along the input channels N stay."""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from trainables.granularities.base import Scores
from trainables.granularities.weight import Weight

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from trainables.recipes.recipe import Prune
    from trainables.state import LiveTrial
    from trainables.structure.complexity import ParameterCosts, SizeRange

_NAME = re.compile(r"([1-9]\d*):([1-9]\d*)")


@dataclass(frozen=True)
class NOfM(Weight):
    """Keep the best `kept` of every `group` consecutive input channels; every group is ranked by itself.

    The layout that sparse tensor cores multiply (Mishra et al. 2021, arXiv 2104.08378). A stage of a larger density
    keeps more of each group, so that a schedule can approach the pattern.
    """

    names: ClassVar = ("2:4", "1:4")
    kept: int = 2
    group: int = 4

    @classmethod
    def parse(cls, name: str) -> Self | None:
        match = _NAME.fullmatch(name)
        return cls(int(match[1]), int(match[2])) if match and int(match[1]) <= int(match[2]) else None

    def density(self, asked: float) -> float:  # noqa: ARG002 - the pattern fixes it
        return self.kept / self.group

    def decide(self, trial: "LiveTrial", stage: "Prune", scores: Scores) -> "dict[str, Tensor]":  # noqa: ARG002 - the pattern decides
        kept = self._of_each_group(stage)
        return {name: keep_n_of_m(score, kept, self.group) for name, score in scores.items()}

    def size_range(self, trial: "LiveTrial", stage: "Prune", costs: "ParameterCosts") -> "SizeRange":
        from trainables.masking.masks import prunable_weights
        from trainables.structure.complexity import SizeRange

        kept, weights = self._of_each_group(stage), prunable_weights(trial.model)
        size = costs.size({name: self._left(weight.shape, kept) for name, weight in weights.items()})
        return SizeRange(size, size)

    def _of_each_group(self, stage: "Prune") -> int:
        return max(self.kept, math.ceil(stage.density * self.group - 1e-9))

    def _left(self, shape: "torch.Size", kept: int) -> int:
        whole, rest = divmod(shape[1], self.group)
        return (whole * kept + min(kept, rest)) * shape.numel() // shape[1]


def keep_n_of_m(scores: "Tensor", kept: int, group: int) -> "Tensor":
    """Keep the best `kept` of every `group` consecutive input channels, for each filter and kernel position.

    A last group that is not full keeps as many as `kept` allows; scores of -inf are never kept. Returns a 0/1 tensor
    of the scores' shape.
    """
    from torch.nn.functional import pad

    by_input = scores.movedim(1, -1)
    channels = by_input.shape[-1]
    padded = pad(by_input, (0, -channels % group), value=-math.inf)
    groups = padded.reshape(*padded.shape[:-1], -1, group)
    mask = groups.new_zeros(groups.shape).scatter_(-1, groups.topk(kept, dim=-1).indices, 1.0) * (groups > -math.inf)
    kept_by_input: Tensor = mask.flatten(-2)[..., :channels]
    return kept_by_input.movedim(-1, 1).contiguous()


GRANULARITY = NOfM

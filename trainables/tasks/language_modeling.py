"""Language modelling: at each position of a text, which token comes next."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import torch
from torch import Tensor

from trainables.errors import InvalidValue
from trainables.metrics import Direction
from trainables.tasks.base import Reduction
from trainables.tasks.classification import Classification

LARGEST: Final = 700.0
"""The loss above which the perplexity is taken for infinite."""


@dataclass(frozen=True)
class LanguageModeling(Classification):
    """The next token at each of T positions: outputs are logits (N, tokens, T), targets int64 [N, T].

    The loss of a sample is the mean over its positions.
    """

    metrics: ClassVar[Mapping[str, Direction]] = {
        "perplexity": "minimize",
        "bits_per_character": "minimize",
        "accuracy": "maximize",
    }
    selects: ClassVar[str] = "perplexity"

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs, targets).mean(1)

    def reduced(self, outputs: Tensor, targets: Tensor, reduction: Reduction) -> Tensor:
        reduced = super().reduced(outputs, targets, reduction)
        return reduced / targets.shape[1] if reduction == "sum" else reduced

    def sums(self, outputs: Tensor, targets: Tensor) -> list[Tensor]:
        return [(outputs.argmax(1) == targets).double().mean(1).sum()]

    def from_means(self, means: Sequence[float]) -> dict[str, float]:
        loss = means[-1]
        perplexity = math.inf if loss > LARGEST else math.exp(loss)
        return {"perplexity": perplexity, "bits_per_character": loss / math.log(2), **super().from_means(means)}

    def targets(self, labels: Tensor) -> Tensor:
        if labels.ndim != 2 or labels.dtype != torch.int64:
            allowed = "needs a target at each position, as data: {name: text} has; these have one a sample"
            raise InvalidValue("task", "language_modeling", allowed)
        return labels

"""Measures networks one after another under conditions; what the networks share is made once."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.data.dataset import Dataset, Split
from trainables.evaluation.adversarial import Target, accuracies_under_attack
from trainables.evaluation.distributions import Clean, Distribution, Sample, evenly
from trainables.evaluation.scores import class_accuracies, scores, similarities
from trainables.training.training import evaluate


@dataclass(frozen=True)
class Attack:
    """Adversarial images within a radius, of pixels in [0, 1]."""

    radius: float

    @property
    def name(self) -> str:
        """Return the kind with the radius."""
        return f"attack_{self.radius:g}"

    def check(self, shape: tuple[int, int, int]) -> None:
        """Accept images of any shape."""


Condition = Distribution | Attack


@dataclass(frozen=True, eq=False)
class _Shared:
    """What networks share under a distribution: its images, and what the reference says to them."""

    name: str
    split: Split
    reference: Tensor | None


class Bench:
    """Measures networks, in evaluation mode and on the data's device, on at most `images` of a split.

    That is the test split unless another is given. Fewer images are spread evenly over it, and keep their numbers, so
    that each is corrupted as in the whole. With a `reference`, networks are also compared with it. Conditions should be
    measured one after another, each for all networks: the images of the last one are kept.
    """

    def __init__(
        self,
        data: Dataset,
        reference: nn.Module | None,
        *,
        images: int | None = None,
        seed: int = 0,
        split: Split | None = None,
    ) -> None:
        self._data, self._reference = data, reference
        self._sample = Sample(*evenly_spaced(split if split is not None else data.test, images), seed)
        self._shared: _Shared | None = None

    def measure(self, condition: Condition, model: nn.Module) -> dict[str, float]:
        """Return a network's measurements by column, as ``accuracy@fog_3``."""
        if isinstance(condition, Attack):
            return self._attacked(condition.radius, model)
        shared = self._under(condition)
        logits = self._logits(model, shared.split)
        measured = scores(logits, shared.split.labels)
        if shared.reference is not None:
            measured |= similarities(logits, shared.reference)
        columns = {f"{metric}@{condition.name}": value for metric, value in measured.items()}
        if isinstance(condition, Clean):
            of_each = class_accuracies(logits, shared.split.labels)
            columns |= {f"accuracy@class_{number}": value for number, value in of_each.items()}
        return columns

    def _attacked(self, radius: float, model: nn.Module) -> dict[str, float]:
        reference = self._target(self._reference) if self._reference is not None else None
        accuracies = accuracies_under_attack(self._target(model), reference, self._sample, radius)
        return {f"accuracy@{attack}_{radius:g}": accuracy for attack, accuracy in accuracies.items()}

    def _under(self, distribution: Distribution) -> _Shared:
        if self._shared is None or self._shared.name != distribution.name:
            self._shared = None  # gives its memory back before the next images are made
            split = distribution.of(self._sample)
            reference = self._logits(self._reference, split) if self._reference is not None else None
            self._shared = _Shared(distribution.name, split, reference)
        return self._shared

    def _logits(self, model: nn.Module, split: Split) -> Tensor:
        kept = evaluate(model, split, self._data.mean, self._data.std, keep_logits=True).logits
        assert kept is not None
        return kept

    def _target(self, model: nn.Module) -> Target:
        return Target(model, self._data.mean, self._data.std)


def evenly_spaced(split: Split, wanted: int | None) -> tuple[Split, Tensor]:
    """Return at most so many images, evenly spaced, and their numbers."""
    count = len(split)
    if wanted is None or wanted >= count:
        return split, torch.arange(count)
    numbers = evenly(count, wanted)
    where = numbers.to(split.images.device)
    return Split(split.images.index_select(0, where), split.labels.index_select(0, where), split.streams_to), numbers

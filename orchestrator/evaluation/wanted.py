"""Under which conditions a study's networks are to be evaluated, as a user asks for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trainables.corruption import corruptions
from trainables.corruption.kinds import SEVERITIES
from trainables.errors import InvalidValue
from trainables.evaluation import published
from trainables.evaluation.bench import Attack, Condition
from trainables.evaluation.distributions import Clean, Corrupted, FromFiles, Noisy

SEVERITY: Final = 3
"""The severity of Liebenwein et al. 2021, arXiv 2103.03014."""

NONE: Final = "none"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to evaluate: `kinds` of corruption (all that fit the images, if None), and at which `severities`.

    `noise` are radii of uniform noise, `attacks` those of adversarial images, of pixels in [0, 1]. `files` is a folder
    with CIFAR-10-C or CIFAR-10.1.
    """

    kinds: tuple[str, ...] | None = None
    severities: tuple[int, ...] = (SEVERITY,)
    noise: tuple[float, ...] = ()
    attacks: tuple[float, ...] = ()
    files: Path | None = None

    def __post_init__(self) -> None:
        for severity in self.severities:
            if severity not in SEVERITIES:
                raise InvalidValue("--severity", severity, "must be 1, 2, 3, 4 or 5")
        for kind in self.kinds or ():
            corruptions.find(kind)
        for key, radii in (("--noise", self.noise), ("--attack", self.attacks)):
            for radius in radii:
                if not 0 < radius <= 1:
                    raise InvalidValue(key, radius, "must be greater than 0, and at most 1: pixels lie in [0, 1]")

    def conditions(self, shape: tuple[int, int, int]) -> list[Condition]:
        """Return the conditions for images of a shape (channels, height, width), the clean images first.

        Raises InvalidValue for a kind that was named and needs other images, and for files that hold others.
        """
        conditions: list[Condition] = [Clean(), *self._corrupted(shape), *map(Noisy, self.noise)]
        conditions += [*self._from_files(), *map(Attack, self.attacks)]
        for condition in conditions:
            condition.check(shape)
        return conditions

    def left_out(self, shape: tuple[int, int, int]) -> dict[str, str]:
        """Return the kinds that images of a shape do not fit, with the reason, unless kinds are named."""
        if self.kinds is not None:
            return {}
        reasons = {kind: corruption.unfit(shape) for kind, corruption in corruptions.KINDS.items()}
        return {kind: reason for kind, reason in reasons.items() if reason is not None}

    def _corrupted(self, shape: tuple[int, int, int]) -> Iterator[Corrupted]:
        unfit = self.left_out(shape)
        kinds = [kind for kind in corruptions.KINDS if kind not in unfit] if self.kinds is None else self.kinds
        for severity in self.severities:
            yield from (Corrupted(kind, severity) for kind in kinds)

    def _from_files(self) -> Iterator[FromFiles]:
        for file in published.found(self.files) if self.files is not None else ():
            for severity in (None,) if file in published.CIFAR10_1 else self.severities:
                assert self.files is not None
                yield FromFiles(self.files, file, severity)


def kinds_of(typed: Sequence[str]) -> tuple[str, ...] | None:
    """Return the kinds that a user typed, one or several at a time; None for none typed, which means all."""
    names = [name.strip() for words in typed for name in words.split(",") if name.strip()]
    return None if not names else () if names == [NONE] else tuple(dict.fromkeys(names))

"""One epoch of a trial as a value, made once from what the trial reports or the ledger stores."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from trainables.context import Report, Usage


@dataclass(frozen=True, kw_only=True, slots=True)
class Epoch:
    """A point of a trial's curve: the fields of a `trainables.context.Report` and of its `usage`, flattened.

    Unknown values are None: `train_loss` and `learning_rate` if nothing was trained, machine use if it was not
    measured.
    """

    epoch: int
    fidelity: float
    stage: str
    accuracy: float | None = None
    loss: float
    train_loss: float | None = None
    learning_rate: float | None = None
    seconds: float
    macs_projected: float
    params_projected: float
    images_per_second: float | None = None
    peak_memory: float | None = None
    device_use: float | None = None
    qualities: Mapping[str, float] = field(default_factory=dict)
    """What the task measures besides `accuracy`, of validation, by name."""

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the epoch in a mapping, which may hold other keys; raises TypeError if a field is missing."""
        figures = {name: plain[name] for name in EPOCH_FIELDS if name in plain}
        return cls(**figures, qualities=dict(plain.get(QUALITIES) or {}))

    def as_dict(self) -> dict[str, Any]:
        """Return the known fields."""
        figures = {name: value for name in EPOCH_FIELDS if (value := getattr(self, name)) is not None}
        return {**figures, QUALITIES: dict(self.qualities)} if self.qualities else figures

    def figure(self, name: str) -> float | None:
        """Return a number by the name of its field or of a quality; None if it is unknown or there is no such one."""
        return getattr(self, name) if name in _FIGURES else self.qualities.get(name)

    def known(self, name: str) -> float:
        """Return a figure; NaN where it is unknown."""
        value = self.figure(name)
        return math.nan if value is None else value


QUALITIES: Final = "qualities"
"""The field with the metrics of a task."""

USAGE_FIELDS: Final = tuple(f.name for f in fields(Usage))
"""The fields about machine use."""

EPOCH_FIELDS: Final[Mapping[str, type]] = {
    f.name: {"epoch": int, "stage": str}.get(f.name, float) for f in fields(Epoch) if f.name != QUALITIES
}
"""The fields of an epoch that are numbers or text, with their types."""

_FIGURES: Final = frozenset(EPOCH_FIELDS) - {"stage"}


@dataclass(frozen=True)
class EpochReport:
    """What a trial reports: an epoch and, with the last epoch, the metrics of the final network."""

    epoch: Epoch
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, report: Report) -> Self:
        """Return a trial's report with plain Python numbers, because the ledger can store no others."""
        figures = {name: getattr(report.usage if name in USAGE_FIELDS else report, name, None) for name in EPOCH_FIELDS}
        known = {name: EPOCH_FIELDS[name](value) for name, value in figures.items() if value is not None}
        qualities = {str(name): float(value) for name, value in report.qualities.items()}
        return cls(
            Epoch(**known, qualities=qualities), {str(name): float(value) for name, value in report.metrics.items()}
        )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the report in a mapping with the keys of `as_dict`, which may hold other keys."""
        return cls(Epoch.from_dict(plain), plain["metrics"])

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one flat mapping, the form that Ray passes on and the ledger stores."""
        return {**self.epoch.as_dict(), "metrics": dict(self.metrics)}

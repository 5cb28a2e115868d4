"""The reports of one trial over all its attempts, updated incrementally: adding one costs the same each time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from orchestrator.ledger.epoch import Epoch, EpochReport


@dataclass(frozen=True)
class StampedReport:
    """A report with the number of its attempt, and the seconds of training over all attempts up to this epoch's end."""

    report: EpochReport
    attempt: int
    elapsed: float

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the report from what `as_dict` returned."""
        return cls(EpochReport.from_dict(plain), plain["attempt"], plain["elapsed"])

    def as_dict(self) -> dict[str, Any]:
        """Return the report in the form in which the ledger stores it."""
        return {**self.report.as_dict(), "attempt": self.attempt, "elapsed": self.elapsed}


class Reports:
    """The valid reports of one trial, by epoch.

    Later epochs of a lost attempt do not count until the next attempt has reached them again.
    """

    def __init__(self, stored: Iterable[StampedReport] = (), *, after: int = 0) -> None:
        """Add reports, given in any order; of those up to attempt `after`, made for fewer epochs, only time counts."""
        self.elapsed = 0.0
        """The seconds of training in all attempts."""
        self.metrics: Mapping[str, float] = {}
        """The metrics of the final network, if the last valid report has them."""
        self._curve: list[Epoch] = []
        self._latest: dict[int, Epoch] = {}
        """The latest report of each epoch, whether it counts now or not."""
        for report in sorted(stored, key=lambda stamped: (stamped.attempt, stamped.report.epoch.epoch)):
            if report.attempt > after or not after:
                self.add(report)
            else:
                self.elapsed = max(self.elapsed, report.elapsed)

    def add(self, stamped: StampedReport) -> None:
        """Append a report of the current attempt."""
        epoch = stamped.report.epoch
        while self._curve and self._curve[-1].epoch >= epoch.epoch:
            self._curve.pop()
        reached = self._curve[-1].epoch if self._curve else 0
        self._curve += [self._latest[at] for at in range(reached + 1, epoch.epoch) if at in self._latest]
        self._curve.append(epoch)
        self._latest[epoch.epoch] = epoch
        self.metrics = stamped.report.metrics
        self.elapsed = max(self.elapsed, stamped.elapsed)

    @property
    def curve(self) -> tuple[Epoch, ...]:
        """The epochs that count, in order."""
        return tuple(self._curve)

    @property
    def last(self) -> Epoch | None:
        """The last epoch that counts."""
        return self._curve[-1] if self._curve else None

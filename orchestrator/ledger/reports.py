"""The reports of one trial over all its attempts, kept and appended to: a new one costs what the first did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from orchestrator.ledger.epoch import Epoch, EpochReport


@dataclass(frozen=True)
class StampedReport:
    """A report with the number of its attempt, and the seconds of training in all attempts up to its end."""

    report: EpochReport
    attempt: int
    elapsed: float

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the report of which `as_dict` gave this."""
        return cls(EpochReport.from_dict(plain), plain["attempt"], plain["elapsed"])

    def as_dict(self) -> dict[str, Any]:
        """Return the report as the ledger keeps it."""
        return {**self.report.as_dict(), "attempt": self.attempt, "elapsed": self.elapsed}


class Reports:
    """The reports of one trial that count, by epoch.

    Later epochs of an attempt that was lost do not count until the attempt after it has reached them again.
    """

    def __init__(self, stored: Iterable[StampedReport] = (), *, after: int = 0) -> None:
        """Take up reports in any order; those up to attempt `after` were for fewer epochs, and count as time only."""
        self.elapsed = 0.0
        """The seconds of training in all attempts."""
        self.metrics: Mapping[str, float] = {}
        """What was measured on the final network, if the last report that counts said so."""
        self._curve: list[Epoch] = []
        self._latest: dict[int, Epoch] = {}
        """By epoch, the latest that was reported of it, whether it counts now or not."""
        for report in sorted(stored, key=lambda one: (one.attempt, one.report.epoch.epoch)):
            if report.attempt > after or not after:
                self.add(report)
            else:
                self.elapsed = max(self.elapsed, report.elapsed)

    def add(self, stamped: StampedReport) -> None:
        """Append a report, of the present attempt."""
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
        """The epochs that count, in their order."""
        return tuple(self._curve)

    @property
    def last(self) -> Epoch | None:
        """The last epoch that counts."""
        return self._curve[-1] if self._curve else None

"""Where a study stands, running or dead: who drives it, what runs, how fast, what it has spent, what remains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.budget import SECONDS_PER_HOUR, Spending
from orchestrator.failures import Failure
from orchestrator.front import TOLD
from orchestrator.history import Extension, read_history
from orchestrator.ledger import read_with_spending
from orchestrator.places import place_of
from orchestrator.records import State, TrialRecord
from orchestrator.spec import StudySpec
from orchestrator.store import StudyFolder
from orchestrator.summary import Summary, summarize

MOMENTS: Final = 30.0
"""Seconds of running below which a rate says nothing."""


@dataclass(frozen=True)
class Driver:
    """Who drives the study or drove it last. `last_sign` is when it last wrote anything, at most some seconds ago."""

    pid: int
    host: str
    since: datetime
    last_sign: datetime


@dataclass(frozen=True)
class UnderWay:
    """A trial that runs, or was interrupted, after `epoch` epochs of `epochs`."""

    trial: int
    paradigm: str
    epoch: int
    epochs: int
    accuracy: float | None


@dataclass(frozen=True)
class FailedAlike:
    """Trials that failed for the same reason."""

    failure: Failure
    reason: str
    trials: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A study as it is now.

    `paused` are the trials that pause, by the epoch at which they do. `rate` is how many trials per hour were told or
    paused, by this driver if it has run for long enough, else by all together; with it, `seconds_left` is what remains;
    both are None where too little is known.
    """

    spec: StudySpec
    summary: Summary
    driven: bool
    driver: Driver | None
    under_way: tuple[UnderWay, ...]
    paused: Mapping[int, tuple[int, ...]]
    failures: tuple[FailedAlike, ...]
    rate: float | None
    seconds_left: float | None
    spent: Spending
    history: tuple[Extension, ...]

    def as_object(self) -> dict[str, Any]:
        """Return the progress for programs; times are ISO 8601."""
        driver = self.driver and {name: _plain(value) for name, value in asdict(self.driver).items()}
        return {
            **asdict(self.summary),
            "driven": self.driven,
            "driver": driver,
            "under_way": [asdict(one) for one in self.under_way],
            "paused_at": {str(epoch): list(trials) for epoch, trials in self.paused.items()},
            "failures": [asdict(one) for one in self.failures],
            "trials_per_hour": self.rate,
            "seconds_left": self.seconds_left,
            "spent": asdict(self.spent),
            "budget": self.spec.budget.model_dump(),
            "extended": [asdict(one) for one in self.history],
        }


def progress(folder: StudyFolder) -> Progress:
    """Return where a study stands. Changes nothing."""
    spec, now, place = StudySpec.stored(folder.spec), datetime.now(UTC), place_of(folder)
    (records, spent), holder, driven = read_with_spending(folder), place.holder(), place.is_driven()
    summary = summarize(spec, records)
    rate = _rate(records, holder.since if holder and driven else None, now, spent.seconds)
    begun = sum(record.fidelity for record in records if record.state is State.RUNNING)
    left = max(0.0, summary.trials - summary.told - summary.paused - begun)
    return Progress(
        spec=spec,
        summary=summary,
        driven=driven,
        driver=Driver(holder.pid, holder.host, holder.since, holder.last_beat) if holder else None,
        under_way=tuple(_under_way(spec, record) for record in records if record.state is State.RUNNING),
        paused=_paused(records),
        failures=failed_alike(records),
        rate=rate,
        seconds_left=left / rate * SECONDS_PER_HOUR if rate and not summary.is_over else None,
        spent=spent,
        history=read_history(folder.spec),
    )


def _rate(records: Sequence[TrialRecord], since: datetime | None, now: datetime, seconds: float) -> float | None:
    told = [record for record in records if record.state in (*TOLD, State.PAUSED)]
    recent = [record for record in told if since and record.finished and record.finished >= since]
    if since and recent and (now - since).total_seconds() >= MOMENTS:
        told, seconds = recent, (now - since).total_seconds()
    return len(told) / seconds * SECONDS_PER_HOUR if told and seconds > 0 else None


def _under_way(spec: StudySpec, record: TrialRecord) -> UnderWay:
    last = record.curve[-1] if record.curve else {}
    epoch, accuracy = int(last.get("epoch", 0)), last.get("accuracy")
    reached = None if accuracy is None else float(accuracy)
    return UnderWay(record.trial, record.paradigm, epoch, spec.fidelity.epochs, reached)


def _paused(records: Iterable[TrialRecord]) -> dict[int, tuple[int, ...]]:
    at: dict[int, list[int]] = {}
    for record in records:
        if record.state is State.PAUSED:
            at.setdefault(int(record.curve[-1]["epoch"]), []).append(record.trial)
    return {epoch: tuple(at[epoch]) for epoch in sorted(at)}


def failed_alike(records: Iterable[TrialRecord]) -> tuple[FailedAlike, ...]:
    """Return which trials failed, by kind and reason."""
    alike: dict[tuple[Failure, str], list[int]] = {}
    for record in records:
        if record.state is State.FAIL:
            alike.setdefault((record.failure or Failure.ERROR, str(record.reason)), []).append(record.trial)
    return tuple(FailedAlike(kind, reason, tuple(trials)) for (kind, reason), trials in alike.items())


def _plain(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value

"""The progress of a study, running or not: its driver, running trials, pace, spending, and what remains."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from orchestrator.ledger.budget import SECONDS_PER_HOUR, Spending
from orchestrator.ledger.cluster import Noted
from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.ledger import Contents, read_all
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import TOLD
from orchestrator.results.summary import Summary, summarize
from orchestrator.spec.history import Extension, read_history
from orchestrator.spec.quality import quality_of
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder

SHORTEST_FOR_RATE: Final = 30.0
"""A driver must have run for this many seconds before a rate is computed from its trials alone."""


@dataclass(frozen=True)
class Driver:
    """The process that drives the study or drove it last. `last_sign` is its last sign of life, to some seconds."""

    pid: int
    host: str
    since: datetime
    last_sign: datetime


@dataclass(frozen=True)
class UnderWay:
    """A running or interrupted trial after `epoch` of `epochs` epochs, with what the last one took.

    `node` is the address of the node where it runs or ran. Unknown values are None.
    """

    trial: int
    paradigm: str
    epoch: int
    epochs: int
    quality: float | None
    metric: str = "accuracy"
    """What `quality` is a value of."""
    images_per_second: float | None = None
    peak_memory: float | None = None
    device_use: float | None = None
    node: str | None = None


@dataclass(frozen=True)
class FailedAlike:
    """Trials that failed for the same reason."""

    failure: Failure
    reason: str
    trials: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A study as it is now.

    `paused` holds the paused trials by the epoch at which they paused. `rate` is how many trials per hour finished or
    paused: under this driver if it has run for long enough, else under all drivers; `seconds_left` is derived from it.
    Both are None if too little is known.
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
    cluster: Noted | None
    history: tuple[Extension, ...]

    def as_object(self) -> dict[str, Any]:
        """Return the progress for programs; times are ISO 8601."""
        driver = self.driver and {name: _plain(value) for name, value in asdict(self.driver).items()}
        return {
            **asdict(self.summary),
            "driven": self.driven,
            "driver": driver,
            "under_way": [{**asdict(trial), trial.metric: trial.quality} for trial in self.under_way],
            "paused_at": {str(epoch): list(trials) for epoch, trials in self.paused.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "trials_per_hour": self.rate,
            "seconds_left": self.seconds_left,
            "spent": asdict(self.spent),
            "budget": self.spec.budget.model_dump(),
            "cluster": self.cluster and _cluster(self.cluster),
            "extended": [asdict(extension) for extension in self.history],
        }


def progress(folder: StudyFolder) -> Progress:
    """Return the progress of a study. Changes nothing."""
    spec, contents = StudySpec.stored(folder.spec), read_all(folder)
    return progress_by(folder, spec, contents, summarize(spec, contents.records))


def progress_by(folder: StudyFolder, spec: StudySpec, contents: Contents, summary: Summary) -> Progress:
    """Return the progress of a study of which the ledger has been read and summarized. Changes nothing."""
    records, spent, cluster, now = contents.records, contents.spent, contents.cluster, datetime.now(UTC)
    location = journal_location_of(folder)
    holder, driven = location.holder(), location.is_driven()
    nodes = cluster.places if cluster else {}
    if cluster and holder and driven and cluster.since < holder.since:
        cluster = None  # recorded by an earlier driver; this one has not recorded it yet
    rate = _rate(records, holder.since if holder and driven else None, now, spent.seconds)
    begun = sum(record.fidelity for record in records if record.state is State.RUNNING)
    left = max(0.0, summary.trials - summary.told - summary.paused - begun)
    return Progress(
        spec=spec,
        summary=summary,
        driven=driven,
        driver=Driver(holder.pid, holder.host, holder.since, holder.last_beat) if holder else None,
        under_way=tuple(_under_way(spec, r, nodes.get(r.trial)) for r in records if r.state is State.RUNNING),
        paused=_paused(records),
        failures=failed_alike(records),
        rate=rate,
        seconds_left=left / rate * SECONDS_PER_HOUR if rate and not summary.is_over else None,
        spent=spent,
        cluster=cluster,
        history=read_history(folder.spec),
    )


def _rate(records: Sequence[TrialRecord], since: datetime | None, now: datetime, seconds: float) -> float | None:
    told = [record for record in records if record.state in (*TOLD, State.PAUSED)]
    recent = [record for record in told if since and record.finished and record.finished >= since]
    if since and recent and (now - since).total_seconds() >= SHORTEST_FOR_RATE:
        told, seconds = recent, (now - since).total_seconds()
    return len(told) / seconds * SECONDS_PER_HOUR if told and seconds > 0 else None


def _under_way(spec: StudySpec, record: TrialRecord, node: str | None) -> UnderWay:
    last = record.curve[-1] if record.curve else None
    known = {name: last.figure(name) if last else None for name in USAGE_FIELDS}
    metric = quality_of(spec.objectives).metric
    quality = last.figure(metric) if last else None
    epoch = last.epoch if last else 0
    return UnderWay(
        record.trial, record.paradigm, epoch, spec.fidelity.epochs, quality, metric=metric, node=node, **known
    )


def _paused(records: Iterable[TrialRecord]) -> dict[int, tuple[int, ...]]:
    at: dict[int, list[int]] = {}
    for record in records:
        if record.state is State.PAUSED:
            at.setdefault(record.curve[-1].epoch, []).append(record.trial)
    return {epoch: tuple(at[epoch]) for epoch in sorted(at)}


def failed_alike(records: Iterable[TrialRecord]) -> tuple[FailedAlike, ...]:
    """Return the failed trials, grouped by kind and reason."""
    alike: dict[tuple[Failure, str], list[int]] = {}
    for record in records:
        if record.state is State.FAIL:
            alike.setdefault((record.failure or Failure.ERROR, str(record.reason)), []).append(record.trial)
    return tuple(FailedAlike(kind, reason, tuple(trials)) for (kind, reason), trials in alike.items())


def _cluster(noted: Noted) -> dict[str, Any]:
    state = noted.state
    return {"since": _plain(noted.since), **asdict(state), "cpus": state.cpus, "gpus": state.gpus}


def _plain(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value

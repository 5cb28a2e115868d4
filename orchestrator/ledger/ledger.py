"""The ledger: a study's durable record of trials asked, results reported, and checkpoints to resume from."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from orchestrator.ledger.budget import Spending
from orchestrator.ledger.cluster import ClusterState, Noted
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.optuna_internals import constraints_as_attributes, name_objectives, study_id, trial_id
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.reports import Reports, StampedReport
from orchestrator.ledger.table_check import require_told_in_table
from orchestrator.ledger.trial import Configuration, Draft, digest
from orchestrator.spec.history import first_epochs
from orchestrator.spec.study_spec import Constraint, StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import Owner
from orchestrator.store.store import StudyFolder

_CONFIGURATION: Final = "configuration"
_SAMPLER: Final = "sampler"
_BUDGET: Final = "budget"
"""The epochs that a trial is given, and the last attempt that was given fewer."""
_SPENDING: Final = "spending"
_CLUSTER: Final = "cluster"
_NODE: Final = "node"
_REPORT: Final = "report:"
_PAUSED: Final = "paused"
"""How often a trial was paused, and why and since when it is paused now: one value, so that one write sets it."""


@dataclass(frozen=True)
class Unfinished:
    """A trial that was asked and has not finished."""

    number: int
    configuration: Configuration


@dataclass(frozen=True)
class Contents:
    """The contents of a ledger: all trials, by number; spending and cluster state may be a few seconds old."""

    records: list[TrialRecord]
    spent: Spending
    cluster: Noted | None


def read(folder: StudyFolder) -> list[TrialRecord]:
    """Return all trials of a study, by number, whether it is running, interrupted or finished. Changes nothing."""
    return read_all(folder).records


def read_all(folder: StudyFolder) -> Contents:
    """Return a ledger's contents, whether its study is running, interrupted or finished. Changes nothing."""
    return contents_of(journal_location_of(folder).read(), lambda study: record_maker(folder, study))


RecordMaker = Callable[[FrozenTrial], TrialRecord]


def contents_of(journal: JournalStorage | None, making: Callable[[str], RecordMaker]) -> Contents:
    """Return a journal's contents; `making` returns what makes records of the trials of the study with this name."""
    studies = journal.get_all_studies() if journal is not None else []
    if journal is None or not studies:
        return Contents([], Spending(), None)
    trials, attributes = journal.get_all_trials(study_id(studies[0]), deepcopy=False), studies[0].user_attrs
    made = list(map(making(studies[0].study_name), trials))
    return Contents(made, _spending(attributes), _noted(attributes, trials))


def kept_checkpoints(folder: StudyFolder, number: int) -> list[CheckpointRef]:
    """Return a trial's checkpoints, newest first, of a study that may be running. Changes nothing."""
    return all_kept_checkpoints(folder).get(number, [])


def all_kept_checkpoints(folder: StudyFolder) -> dict[int, list[CheckpointRef]]:
    """Return the checkpoints of every trial as `kept_checkpoints` does."""
    journal = journal_location_of(folder).read()
    studies = journal.get_all_studies() if journal is not None else []
    trials = journal.get_all_trials(study_id(studies[0]), deepcopy=False) if journal is not None and studies else []
    return {t.number: [CheckpointRef.parse(path) for path in t.user_attrs.get("checkpoints", [])] for t in trials}


def record_maker(folder: StudyFolder, study: str) -> RecordMaker:
    """Return what makes records of a study's trials, judged by its stored file, if there is one, as it is now."""
    if not folder.spec.exists():
        return lambda trial: _record(study, trial, _reports(trial))
    spec = StudySpec.stored(folder.spec)
    first = first_epochs(folder.spec, spec.fidelity.epochs)
    return lambda trial: _in_study(spec, first, _record(study, trial, _reports(trial)), trial)


class Ledger:
    """The driver's handle on a study's records. Only one can be open at a time; what it writes is durable."""

    def __init__(self, folder: StudyFolder, spec: StudySpec) -> None:
        """Open or create the ledger of a study; raises StudyBusy while another process drives the study.

        An existing ledger stays where the study was launched, even if `spec` now names another location.
        """
        self.folder, self.spec = folder, spec
        self._drive = journal_location_of(folder, spec.ledger).drive()
        try:
            self.storage = self._drive.journal()
            if self.storage.witness is None:
                require_told_in_table(folder, self.storage, self.storage.origin)
        except BaseException:
            self._drive.release()
            raise
        directions = [optuna.study.StudyDirection[d.upper()] for d in spec.objectives.values()]
        self._drop_unbegun(directions)
        is_new = not self.storage.get_all_studies()
        if is_new:
            self.storage.create_new_study(directions, spec.name)
        self.study = optuna.load_study(
            study_name=spec.name, storage=self.storage, sampler=optuna.samplers.RandomSampler()
        )
        if is_new:
            name_objectives(self.study, spec.objectives)
        self._ids = {trial.number: trial_id(trial) for trial in self._trials()}
        self._told: dict[int, TrialRecord] = {}
        self._reports: dict[int, Reports] = {}
        """Reports of unfinished trials, cached when first needed."""
        self._first_epochs = first_epochs(folder.spec, spec.fidelity.epochs)
        self._spent = _spending(self.storage.get_study_user_attrs(study_id(self.study)))
        self._cluster: ClusterState | None = None

    def _drop_unbegun(self, directions: list[optuna.study.StudyDirection]) -> None:
        """Delete a study that has other objectives and whose driver died before its first trial."""
        for study in self.storage.get_all_studies():
            begun = self.storage.get_all_trials(study_id(study), deepcopy=False)
            if not begun and study.directions != directions:
                self.storage.delete_study(study_id(study))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def beat(self) -> None:
        """Record that the driver is alive."""
        self._drive.beat()

    def close(self) -> None:
        """Give up the right to drive the study."""
        try:
            self.storage.close()
        finally:
            self._drive.release()

    def records(self) -> list[TrialRecord]:
        """Return all trials, by number."""
        return [self._told.get(trial.number) or self._as_record(trial) for trial in self._trials()]

    def record(self, number: int) -> TrialRecord:
        """Return one trial."""
        return self._told.get(number) or self._as_record(self._trial(number))

    def unfinished(self) -> list[Unfinished]:
        """Return the unfinished trials, by number, without paused ones."""
        asked = (trial for trial in self._trials() if trial.state is TrialState.RUNNING and not _pause(trial))
        return [Unfinished(trial.number, _configuration(trial)) for trial in asked]

    def restart_unfinished(self) -> None:
        """Restart interrupted trials from the beginning if the study's number of epochs has been raised since.

        Paused trials were not among the best, and are marked PRUNED.
        """
        for trial in self._trials():
            if trial.state.is_finished() or self._as_record(trial).share == 1:
                continue
            self.keep_checkpoints(trial.number, [])
            if pause := _pause(trial):
                self.prune(trial.number, pause.reason)
            else:
                self._set(trial.number, _BUDGET, self._budget(trial.user_attrs.get("attempts", 0)))
                self._reports.pop(trial.number, None)

    @property
    def asked(self) -> int:
        """How many trials have been asked so far."""
        return len(self._ids)

    def ask(self, draft: Draft) -> int:
        """Create a trial in one atomic write, with its whole configuration; return its number."""
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(draft.drawn),
            distributions=dict(draft.distributions),
            user_attrs={
                _CONFIGURATION: {**vars(draft.configuration)},
                _SAMPLER: draft.sampler,
                _BUDGET: self._budget(0),
            },
        )
        number = len(self._ids)
        self._ids[number] = self.storage.create_new_trial(study_id(self.study), template)
        return number

    def begin(self, number: int) -> None:
        """Count a new attempt at a trial."""
        self._set(number, "attempts", self._trial(number).user_attrs.get("attempts", 0) + 1)

    def report(self, number: int, report: EpochReport) -> None:
        """Record one epoch."""
        trial = self._trial(number)
        reports = self._reports_of(trial)
        attempt, elapsed = trial.user_attrs.get("attempts", 1), reports.elapsed + report.epoch.seconds
        stamped = StampedReport(report, attempt, elapsed)
        self._set(number, f"{_REPORT}{report.epoch.epoch}", stamped.as_dict())
        reports.add(stamped)

    def keep_checkpoints(self, number: int, kept: Sequence[CheckpointRef]) -> None:
        """Record a trial's checkpoints, newest first; any others may be deleted afterwards."""
        self._set(number, "checkpoints", [str(checkpoint) for checkpoint in kept])
        self.storage.flush()

    def checkpoints(self, number: int) -> list[CheckpointRef]:
        """Return a trial's checkpoints, newest first, whether or not they still exist and are intact.

        Raises InvalidValue if one would lie anywhere but in a trial's folder.
        """
        attributes = self._trial(number).user_attrs
        return [CheckpointRef.parse(path) for path in attributes.get("checkpoints", [])]

    def owner(self, number: int) -> Owner:
        """Return a trial at its current epoch as the owner of checkpoints."""
        record = self.record(number)
        epoch = record.curve[-1].epoch if record.curve else 0
        return Owner(self.spec.name, number, digest(_configuration(self._trial(number))), epoch)

    def count_damaged(self, number: int, damaged: int) -> None:
        """Count a trial's unusable checkpoints."""
        before = self._trial(number).user_attrs.get("damaged_checkpoints", 0)
        self._set(number, "damaged_checkpoints", before + damaged)

    def conclude(self, number: int) -> None:
        """Mark an ended trial COMPLETE if its result is complete, else FAIL with what is missing."""
        reports = self._reports_of(self._trial(number))
        missing = _missing(reports, [*self.spec.objectives, *self.spec.constraints])
        if missing is not None:
            self.fail(number, Breakdown(Failure.ERROR, missing))
            return
        metrics = reports.metrics
        for key, violation in constraints_as_attributes(violations(self.spec, metrics)).items():
            self.storage.set_trial_system_attr(self._ids[number], key, violation)
        values = [metrics[objective] for objective in self.spec.objectives]
        self._tell(number, TrialState.COMPLETE, values)

    def prune(self, number: int, reason: str) -> None:
        """Mark a trial PRUNED: it was stopped early."""
        self._end(number, TrialState.PRUNED, reason)

    def pause(self, number: int, reason: str) -> None:
        """Mark a trial paused, until it continues or is finished."""
        times, since = _pauses(self._trial(number)) + 1, datetime.now(UTC).isoformat()
        self._set(number, _PAUSED, {"times": times, "now": {"reason": reason, "since": since}})
        self.storage.flush_soon()

    def unpause(self, number: int) -> None:
        """End a trial's pause; continuing does not count as a new attempt."""
        self._set(number, _PAUSED, {"times": _pauses(self._trial(number)), "now": None})

    def fail(self, number: int, breakdown: Breakdown) -> None:
        """Mark a trial FAIL: it has no result."""
        self._set(number, "failure", breakdown.failure.value)
        self._end(number, TrialState.FAIL, breakdown.reason)

    def lose(self, number: int) -> None:
        """Count an attempt that was preempted or lost its process or node."""
        self._set(number, "attempts_lost", self._trial(number).user_attrs.get("attempts_lost", 0) + 1)

    @property
    def spent(self) -> Spending:
        """What the study has spent; downtime is not counted."""
        return self._spent

    @spent.setter
    def spent(self, spent: Spending) -> None:
        self._spent = spent
        self.storage.set_study_user_attr(study_id(self.study), _SPENDING, asdict(spent))

    def note_cluster(self, state: ClusterState) -> None:
        """Record the state of the cluster if it has changed."""
        if state != self._cluster:
            self._cluster, since = state, datetime.now(UTC).isoformat(timespec="seconds")
            noted = {"since": since, "state": asdict(state)}
            self.storage.set_study_user_attr(study_id(self.study), _CLUSTER, noted)

    def place(self, number: int, address: str) -> None:
        """Record on which node a trial runs if that has changed."""
        if self._trial(number).user_attrs.get(_NODE) != address:
            self._set(number, _NODE, address)

    def _end(self, number: int, state: TrialState, reason: str) -> None:
        self._set(number, "reason", reason)  # before the state, so that a finished trial always has its reason
        self._tell(number, state)

    def _tell(self, number: int, state: TrialState, values: list[float] | None = None) -> None:
        self.storage.set_trial_state_values(self._ids[number], state, values)
        self.storage.flush_soon()

    def _set(self, number: int, key: str, value: object) -> None:
        self.storage.set_trial_user_attr(self._ids[number], key, value)

    def _as_record(self, trial: FrozenTrial) -> TrialRecord:
        record = _record(self.spec.name, trial, self._reports_of(trial))
        record = _in_study(self.spec, self._first_epochs, record, trial)
        if trial.state.is_finished():
            self._told[trial.number] = record  # it will not change again
            self._reports.pop(trial.number, None)
        return record

    def _reports_of(self, trial: FrozenTrial) -> Reports:
        if trial.number not in self._reports:
            self._reports[trial.number] = _reports(trial)
        return self._reports[trial.number]

    def _budget(self, attempts: int) -> dict[str, int]:
        return {"epochs": self.spec.fidelity.epochs, "after": attempts}

    def _trial(self, number: int) -> FrozenTrial:
        return self.storage.get_trial(self._ids[number])

    def _trials(self) -> list[FrozenTrial]:
        return self.storage.get_all_trials(study_id(self.study), deepcopy=False)


def record_of(study: str, trial: FrozenTrial) -> TrialRecord:
    """Return a trial's record as the ledger holds it, not adjusted for later extensions of its study."""
    return _record(study, trial, _reports(trial))


def missing_result(spec: StudySpec, trial: FrozenTrial) -> str | None:
    """Return what a trial lacks in order to be COMPLETE, or None."""
    return _missing(_reports(trial), [*spec.objectives, *spec.constraints])


def _record(study: str, trial: FrozenTrial, reports: Reports) -> TrialRecord:
    attributes, configuration, last = trial.user_attrs, _configuration(trial), reports.last
    pause, pauses = _pause(trial), _pauses(trial)
    attempts = attributes.get("attempts", 0) - pauses + bool(pause)  # continuing after a pause is no new attempt
    state = State.PAUSED if pause and not trial.state.is_finished() else State(trial.state.name)
    failure = Failure(attributes.get("failure", Failure.ERROR)) if state is State.FAIL else None
    return TrialRecord(
        study=study,
        trial=trial.number,
        paradigm=configuration.paradigm,
        state=state,
        seed=configuration.seed,
        params=configuration.params,
        sampler=attributes.get(_SAMPLER),
        reason=_reason(trial, state),
        failure=failure,
        fidelity=last.fidelity if last else 0.0,
        metrics=reports.metrics if state is State.COMPLETE else {},
        curve=reports.curve,
        feasible=all(violation <= 0 for violation in trial.constraints.values()),
        attempts=attempts,
        attempts_failed=int(attempts > 0 and failure is not None and not failure.may_be_mended),
        attempts_lost=attributes.get("attempts_lost", 0),
        pauses=pauses,
        damaged_checkpoints=attributes.get("damaged_checkpoints", 0),
        seconds=reports.elapsed,
        started=_utc(trial.datetime_start),
        finished=pause.since if pause else _utc(trial.datetime_complete),
    )


def _in_study(spec: StudySpec, first: int, record: TrialRecord, trial: FrozenTrial) -> TrialRecord:
    """Return a trial as judged by the study's current epochs and bounds, which an extension may have changed.

    `first` is the number of epochs that the study was launched with: the budget of trials that have none of their own,
    as those that `repair` could only mark FAIL.
    """
    share = trial.user_attrs.get(_BUDGET, {"epochs": first})["epochs"] / spec.fidelity.epochs
    missed = violations(spec, record.metrics).values() if record.state is State.COMPLETE else ()
    feasible = all(violation <= 0 for violation in missed)
    if share == 1 and feasible == record.feasible:
        return record
    return replace(record, share=share, fidelity=share * record.fidelity, feasible=feasible)


def _spending(attributes: Mapping[str, Any]) -> Spending:
    return Spending(**attributes.get(_SPENDING, {}))


def _noted(attributes: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> Noted | None:
    if _CLUSTER not in attributes:
        return None
    noted = attributes[_CLUSTER]
    unfinished = (trial for trial in trials if not trial.state.is_finished() and _NODE in trial.user_attrs)
    places = {trial.number: trial.user_attrs[_NODE] for trial in unfinished}
    return Noted(ClusterState.from_dict(noted["state"]), datetime.fromisoformat(noted["since"]), places)


def _configuration(trial: FrozenTrial) -> Configuration:
    return Configuration(**trial.user_attrs[_CONFIGURATION])


@dataclass(frozen=True)
class _Pause:
    reason: str
    since: datetime


def _pause(trial: FrozenTrial) -> _Pause | None:
    """Return the pause that a trial is in or ended in; None if it continued since, or never paused."""
    now = trial.user_attrs.get(_PAUSED, {"now": None})["now"]
    return _Pause(now["reason"], datetime.fromisoformat(now["since"])) if now else None


def _reason(trial: FrozenTrial, state: State) -> str | None:
    pause = _pause(trial)
    if pause is not None and state is State.PAUSED:
        return pause.reason
    told: str | None = trial.user_attrs.get("reason") if state in (State.PRUNED, State.FAIL) else None
    return told and "".join(sign if sign.isprintable() else "?" for sign in told)  # it reaches terminals


def _pauses(trial: FrozenTrial) -> int:
    times: int = trial.user_attrs.get(_PAUSED, {"times": 0})["times"]
    return times


def _reports(trial: FrozenTrial) -> Reports:
    """Return a trial's stored reports."""
    stored = (StampedReport.from_dict(value) for key, value in trial.user_attrs.items() if key.startswith(_REPORT))
    return Reports(stored, after=trial.user_attrs.get(_BUDGET, {}).get("after", 0))


def _missing(reports: Reports, metrics: Iterable[str]) -> str | None:
    """Return what a trial lacks in order to be COMPLETE, or None."""
    if reports.last is None:
        return "ended without a report"
    if reports.last.fidelity < 1:
        return f"ended at fidelity {reports.last.fidelity:.2f}"
    for metric in metrics:
        value = reports.metrics.get(metric)
        if value is None:
            return f"metric {metric!r} missing"
        if not math.isfinite(value):
            return f"{metric} is {value}"
    return None


def violations(spec: StudySpec, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return by how much a study's constraints are missed, in Optuna's sense; raises KeyError for a missing metric."""
    return {bound.metric: _violation(bound, metrics[bound.metric]) for bound in spec.bounds}


def _violation(bound: Constraint, value: float) -> float:
    """Return by how much a bound is missed, in Optuna's sense: 0 or less if and only if it holds."""
    missed = bound.violation(value)
    return min(missed, 0.0) if bound.holds(value) else max(missed, sys.float_info.min)


def _utc(local: datetime | None) -> datetime | None:
    return local.astimezone(UTC) if local is not None else None

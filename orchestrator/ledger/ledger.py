"""The ledger: a study's durable record of trials asked, results reported, and checkpoints to resume from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from orchestrator.ledger import stored_trial
from orchestrator.ledger.budget import Spending
from orchestrator.ledger.cluster import ClusterState, Noted
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.optuna_internals import constraints_as_attributes, name_objectives, study_id, trial_id
from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.reports import Reports, StampedReport
from orchestrator.ledger.table_check import require_told_in_table
from orchestrator.ledger.trial import Configuration, Draft, digest
from orchestrator.spec.history import first_epochs
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import Owner
from orchestrator.store.store import StudyFolder

_SPENDING: Final = "spending"
_CLUSTER: Final = "cluster"
_NODE: Final = "node"


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
        return lambda trial: stored_trial.as_record(study, trial, stored_trial.reports_of(trial))
    spec = StudySpec.stored(folder.spec)
    first = first_epochs(folder.spec, spec.fidelity.epochs)
    return lambda trial: stored_trial.in_study(
        spec, first, stored_trial.as_record(study, trial, stored_trial.reports_of(trial)), trial
    )


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
        asked = (
            trial for trial in self._trials() if trial.state is TrialState.RUNNING and not stored_trial.pause_of(trial)
        )
        return [Unfinished(trial.number, stored_trial.configuration_of(trial)) for trial in asked]

    def restart_unfinished(self) -> None:
        """Restart interrupted trials from the beginning if the study's number of epochs has been raised since.

        Paused trials were not among the best, and are marked PRUNED.
        """
        for trial in self._trials():
            if trial.state.is_finished() or self._as_record(trial).share == 1:
                continue
            self.keep_checkpoints(trial.number, [])
            if pause := stored_trial.pause_of(trial):
                self.prune(trial.number, pause.reason)
            else:
                self._set(trial.number, stored_trial.BUDGET, self._budget(trial.user_attrs.get("attempts", 0)))
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
                stored_trial.CONFIGURATION: {**vars(draft.configuration)},
                stored_trial.SAMPLER: draft.sampler,
                stored_trial.BUDGET: self._budget(0),
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
        self._set(number, f"{stored_trial.REPORT}{report.epoch.epoch}", stamped.as_dict())
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
        return Owner(self.spec.name, number, digest(stored_trial.configuration_of(self._trial(number))), epoch)

    def count_damaged(self, number: int, damaged: int) -> None:
        """Count a trial's unusable checkpoints."""
        before = self._trial(number).user_attrs.get("damaged_checkpoints", 0)
        self._set(number, "damaged_checkpoints", before + damaged)

    def conclude(self, number: int) -> None:
        """Mark an ended trial COMPLETE if its result is complete, else FAIL with what is missing."""
        reports = self._reports_of(self._trial(number))
        missing = stored_trial.missing(reports, [*self.spec.objectives, *self.spec.constraints])
        if missing is not None:
            self.fail(number, Breakdown(Failure.ERROR, missing))
            return
        metrics = reports.metrics
        for key, violation in constraints_as_attributes(stored_trial.violations(self.spec, metrics)).items():
            self.storage.set_trial_system_attr(self._ids[number], key, violation)
        values = [metrics[objective] for objective in self.spec.objectives]
        self._tell(number, TrialState.COMPLETE, values)

    def prune(self, number: int, reason: str) -> None:
        """Mark a trial PRUNED: it was stopped early."""
        self._end(number, TrialState.PRUNED, reason)

    def pause(self, number: int, reason: str) -> None:
        """Mark a trial paused, until it continues or is finished."""
        times, since = stored_trial.pauses_of(self._trial(number)) + 1, datetime.now(UTC).isoformat()
        self._set(number, stored_trial.PAUSED, {"times": times, "now": {"reason": reason, "since": since}})
        self.storage.flush_soon()

    def unpause(self, number: int) -> None:
        """End a trial's pause; continuing does not count as a new attempt."""
        self._set(number, stored_trial.PAUSED, {"times": stored_trial.pauses_of(self._trial(number)), "now": None})

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
        record = stored_trial.as_record(self.spec.name, trial, self._reports_of(trial))
        record = stored_trial.in_study(self.spec, self._first_epochs, record, trial)
        if trial.state.is_finished():
            self._told[trial.number] = record  # it will not change again
            self._reports.pop(trial.number, None)
        return record

    def _reports_of(self, trial: FrozenTrial) -> Reports:
        if trial.number not in self._reports:
            self._reports[trial.number] = stored_trial.reports_of(trial)
        return self._reports[trial.number]

    def _budget(self, attempts: int) -> dict[str, int]:
        return {"epochs": self.spec.fidelity.epochs, "after": attempts}

    def _trial(self, number: int) -> FrozenTrial:
        return self.storage.get_trial(self._ids[number])

    def _trials(self) -> list[FrozenTrial]:
        return self.storage.get_all_trials(study_id(self.study), deepcopy=False)


def _spending(attributes: Mapping[str, Any]) -> Spending:
    return Spending(**attributes.get(_SPENDING, {}))


def _noted(attributes: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> Noted | None:
    if _CLUSTER not in attributes:
        return None
    noted = attributes[_CLUSTER]
    unfinished = (trial for trial in trials if not trial.state.is_finished() and _NODE in trial.user_attrs)
    places = {trial.number: trial.user_attrs[_NODE] for trial in unfinished}
    return Noted(ClusterState.from_dict(noted["state"]), datetime.fromisoformat(noted["since"]), places)

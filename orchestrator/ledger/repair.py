"""Repair a damaged ledger: keep a copy, save every intact line, and restore from the table what was lost.

A finished trial stays as it was told, or as the table has it. A trial whose end is in neither continues from its last
checkpoint. A trial of which only the number is known is marked FAIL, so that the others keep their numbers.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.journal import JournalLocation
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.optuna_internals import constraints_as_attributes, study_id
from orchestrator.ledger.proof import Chain, LedgerDamaged
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.reports import StampedReport
from orchestrator.ledger.salvage import (
    CREATE_STUDY,
    CREATE_TRIAL,
    SET_TRIAL_ATTRIBUTE,
    TELL,
    Log,
    intact_lines,
    lines_by_trial,
    with_all_trials,
)
from orchestrator.ledger.stored_trial import missing_result, record_of, violations
from orchestrator.ledger.table_check import require_told_in_table
from orchestrator.ledger.trial import Configuration, digest
from orchestrator.ledger.trials_table import read_table
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import checkpoints_of
from orchestrator.store.checkpoints import Owner, is_intact, owner_of
from orchestrator.store.store import StudyFolder
from orchestrator.store.trial_files import trial_files

_WORKER: Final = "repair"
_LOST: Final = "its lines in the ledger were lost"


@dataclass(frozen=True)
class Repair:
    """What is wrong with a ledger, and what it would contain after the repair."""

    damage: LedgerDamaged | None
    lines_before: int
    logs: tuple[Log, ...] = ()
    as_told: int = 0
    restored: tuple[int, ...] = ()
    run_again: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield a summary for people, line by line."""
        if self.damage is None:
            yield f"The ledger is intact: {self.lines_before} lines."
            return
        yield f"{self.damage.where}: {self.damage.what}."
        yield f"Saved as the ledger has them: {self.as_told} finished trial{'s' if self.as_told != 1 else ''}."
        for what, trials in (
            ("Restored from trials.parquet", self.restored),
            ("Continued by a resume", self.run_again),
            ("Marked FAIL, because only the number is known", self.lost),
        ):
            if trials:
                yield f"{what}: trial{'s' if len(trials) > 1 else ''} {', '.join(map(str, trials))}."


def diagnose(folder: StudyFolder) -> Repair:
    """Return what is wrong with the ledger of a study, and how it would be repaired; changes nothing."""
    location = journal_location_of(folder)
    stored = location.raw()
    try:
        journal = location.read()
        if journal is not None and location.witness() is None:
            require_told_in_table(folder, journal, location.origin)
        return Repair(None, len(stored))
    except LedgerDamaged as damage:
        return _planned(folder, location, stored, damage)


def carry_out(folder: StudyFolder) -> Path:
    """Repair the ledger of a study; return the path of the copy of the damaged one.

    Raises StudyBusy while a process drives the study.
    """
    location = journal_location_of(folder)
    drive = location.drive()
    try:
        repair, chain = diagnose(folder), Chain()
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        copy = folder.path / f"journal.damaged-{now}.log"
        drive.replace(
            [chain.sign(json.dumps(log, separators=(",", ":")).encode()) for log in repair.logs], copy, chain.at
        )
        folder.push(copy)
        for number in repair.lost:  # a failed trial keeps no checkpoint
            trial_files(folder).set_aside(number)
    finally:
        drive.release()
    return copy


def _planned(folder: StudyFolder, location: JournalLocation, stored: Sequence[bytes], damage: LedgerDamaged) -> Repair:
    spec, witness = StudySpec.stored(folder.spec), location.witness()
    lines = intact_lines(stored)
    table = _table(folder, spec.name)
    trials = max([witness.trials if witness else 0, *(number + 1 for number in table)])
    directions = [StudyDirection[kind.upper()].value for kind in spec.objectives.values()]
    begin = {"op_code": CREATE_STUDY, "worker_id": _WORKER, "study_name": spec.name, "directions": directions}
    logs = with_all_trials(lines, begin, lambda number: _asked(spec, table.get(number)), trials)
    salvage = _Salvage(folder, spec, logs, table)
    return Repair(damage, len(stored), *salvage.result())


class _Salvage:
    """Decides for each trial of a journal that may lack lines which of its lines stay, and which are added."""

    def __init__(self, folder: StudyFolder, spec: StudySpec, logs: list[Log], table: Mapping[int, TrialRecord]) -> None:
        self._folder, self._spec, self._logs = folder, spec, logs
        self._lines = lines_by_trial(logs)
        """The indices in `logs` of each trial's lines."""
        self._trials = _replayed(logs)
        known = [trial for trial in self._trials if not _is_blank(trial) and trial.number in table]
        is_same = all(
            _configuration(table[trial.number]) == _configuration(record_of(spec.name, trial)) for trial in known
        )
        self._table = table if is_same else {}
        self._dropped: set[int] = set()
        self._before: dict[int, list[Log]] = {}
        """Lines to insert, by the index of the line that follows them."""

    def result(self) -> tuple[tuple[Log, ...], int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Return the lines, how many trials stay as they were told, and which are restored, run again, and lost."""
        fates = {trial.number: self._settle(trial) for trial in self._trials}
        logs: list[Log] = []
        for index, log in enumerate(self._logs):
            logs += self._before.get(index, [])
            logs += [log] if index not in self._dropped else []
        logs += self._before.get(len(self._logs), [])
        restored, again, lost = (
            tuple(number for number, fate in fates.items() if fate == kind) for kind in ("restored", "again", "lost")
        )
        return tuple(logs), sum(fate == "told" for fate in fates.values()), restored, again, lost

    def _settle(self, trial: FrozenTrial) -> str:
        number, row = trial.number, self._table.get(trial.number)
        is_told_in_table = row is not None and row.state in (State.COMPLETE, State.PRUNED, State.FAIL)
        record = None if _is_blank(trial) else record_of(self._spec.name, trial)
        if is_told_in_table and row is not None and (record is None or not _agree(record, row)):
            self._restore(number, row)
            return "restored"
        if record is None:
            self._dropped |= set(self._lines[number][1:])
            return "lost"
        tells = [index for index in self._lines[number] if self._logs[index]["op_code"] == TELL]
        if record.state is State.COMPLETE and self._lacks_result(trial, record):
            self._dropped |= set(tells)
            self._adopt(number, record, None)
            return "again"
        is_told = trial.state.is_finished()
        if not is_told or record.state is State.COMPLETE:
            self._adopt(number, record, next(iter(tells), None))
        return "told" if is_told else "again"

    def _lacks_result(self, trial: FrozenTrial, record: TrialRecord) -> bool:
        values = [record.metrics.get(name) for name in self._spec.objectives]
        return missing_result(self._spec, trial) is not None or values != trial.values

    def _restore(self, number: int, row: TrialRecord) -> None:
        """Replace all lines of a trial by one that has it as the table does."""
        first, *rest = self._lines[number]
        self._dropped |= set(rest)
        kept = self._trials[number].user_attrs.get("checkpoints", [])
        names = _checkpoints(self._folder, self._spec.name, number, row) or kept
        attributes = {**_attributes(self._spec, row), "checkpoints": names}
        asked = {key: value for key, value in self._logs[first].items() if key in ("params", "distributions")}
        self._logs[first] = {**_asked(self._spec, row), **asked, **_told(self._spec, row), "user_attrs": attributes}

    def _adopt(self, number: int, record: TrialRecord, tell: int | None) -> None:
        """Record a trial's existing checkpoints if the line that recorded the newest is lost."""
        existing = _checkpoints(self._folder, self._spec.name, number, record)
        recorded = self._trials[number].user_attrs.get("checkpoints", [])
        if existing and existing[0] not in recorded:
            line = {"op_code": SET_TRIAL_ATTRIBUTE, "worker_id": _WORKER, "trial_id": number}
            following = len(self._logs) if tell is None else tell
            self._before.setdefault(following, []).append({**line, "user_attr": {"checkpoints": existing}})


class _Logs(BaseJournalBackend):
    def __init__(self, logs: Iterable[Log]) -> None:
        self._unread = iter(logs)

    def read_logs(self, log_number_from: int) -> Iterable[Log]:  # noqa: ARG002 - each is read once
        return self._unread

    def append_logs(self, logs: list[Log]) -> None:
        raise NotImplementedError(f"{len(logs)} lines")


def _replayed(logs: list[Log]) -> list[FrozenTrial]:
    """Return the trials; replace lines that Optuna cannot read by ones without effect."""
    while True:
        reading = _Counted(logs)
        try:
            storage = JournalStorage(_Logs(reading))
            return storage.get_all_trials(study_id(storage.get_all_studies()[0]))
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError):
            logs[reading.last] = {"op_code": 2, "worker_id": _WORKER, "study_id": 0, "user_attr": {}}


class _Counted:
    """Yields logs, and remembers the index of the last one."""

    def __init__(self, logs: Sequence[Log]) -> None:
        self._logs, self.last = logs, 0

    def __iter__(self) -> Iterator[Log]:
        for index, log in enumerate(self._logs):
            self.last = index
            # a copy, because Optuna changes the attributes that it is given
            yield json.loads(json.dumps({**log, **({"params": {}, "distributions": {}} if "params" in log else {})}))


def _table(folder: StudyFolder, study: str) -> dict[int, TrialRecord]:
    """Return the records in the study's table, by trial; none if it cannot be read or is another study's."""
    import pyarrow as pa

    folder.pull(folder.table)
    if not folder.table.exists():
        return {}
    try:
        records = read_table(folder.table)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return {}
    return {record.trial: record for record in records if record.study == study}


def _is_blank(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get("reason") == _LOST


def _configuration(record: TrialRecord) -> Configuration:
    return Configuration(record.paradigm, record.params, record.seed)


def _agree(record: TrialRecord, row: TrialRecord) -> bool:
    """Return whether ledger and table agree on a trial; bounds and epochs may have changed since."""
    names = ("state", "paradigm", "params", "seed", "metrics", "curve", "reason", "failure")
    return all(getattr(record, name) == getattr(row, name) for name in names)


def _asked(spec: StudySpec, row: TrialRecord | None) -> Log:
    """Return the line that creates a trial: as the table has it, or one marked FAIL if it is not in the table."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    line = {"op_code": CREATE_TRIAL, "worker_id": _WORKER, "study_id": 0, "datetime_start": now, "state": 0}
    if row is not None:
        began = row.started.isoformat(timespec="microseconds") if row.started else now
        budget = {"epochs": round(row.share * spec.fidelity.epochs), "after": 0}
        attributes = {"configuration": asdict(_configuration(row)), "sampler": row.sampler, "budget": budget}
        return {**line, "datetime_start": began, "user_attrs": attributes}
    configuration = Configuration(next(iter(spec.paradigms)), {}, spec.seed)
    attributes = {"configuration": asdict(configuration), "failure": "error", "reason": _LOST}
    return {**line, "state": TrialState.FAIL.value, "datetime_complete": now, "user_attrs": attributes}


def _told(spec: StudySpec, row: TrialRecord) -> Log:
    """Return what the line that creates a trial also holds if the trial has finished."""
    ended = row.finished or datetime.now(UTC)
    told: Log = {
        "state": TrialState[row.state.value].value,
        "datetime_complete": ended.isoformat(timespec="microseconds"),
    }
    if row.state is State.COMPLETE:
        told["values"] = [row.metrics[name] for name in spec.objectives]
        told["system_attrs"] = constraints_as_attributes(violations(spec, row.metrics))
    return told


def _attributes(spec: StudySpec, row: TrialRecord) -> dict[str, Any]:
    """Return what the ledger stores of a finished trial, from its row in the table."""
    attempts = row.attempts + row.pauses
    elapsed = accumulate(epoch.seconds for epoch in row.curve)
    reports = [
        StampedReport(EpochReport(epoch), attempts, seconds) for epoch, seconds in zip(row.curve, elapsed, strict=True)
    ]
    if reports:
        reports[-1] = StampedReport(EpochReport(row.curve[-1], row.metrics), attempts, row.seconds)
    curve = {f"report:{report.report.epoch.epoch}": report.as_dict() for report in reports}
    counts = {"attempts": attempts, "attempts_lost": row.attempts_lost, "damaged_checkpoints": row.damaged_checkpoints}
    why = {"reason": row.reason, **({"failure": row.failure.value} if row.failure else {})}
    paused = {"paused": {"times": row.pauses, "now": None}} if row.pauses else {}
    return {**_asked(spec, row)["user_attrs"], **curve, **counts, **(why if row.reason else {}), **paused}


def _checkpoints(folder: StudyFolder, study: str, number: int, record: TrialRecord) -> list[str]:
    """Return a trial's own and intact checkpoints by their seals, as a ledger writes them, newest first."""
    if folder.remote is not None or folder.trials.is_symlink():
        return []
    epoch = record.curve[-1].epoch if record.curve else 0
    owner = Owner(study, number, digest(_configuration(record)), epoch)
    existing = {folder.checkpoint(checkpoint): checkpoint for checkpoint in checkpoints_of(folder.trials, number)}
    intact = [path for path in existing if is_intact(path, owner, unowned=False)]
    intact.sort(key=lambda path: (getattr(owner_of(path), "epoch", 0), path.stat().st_mtime), reverse=True)
    return [str(existing[path]) for path in intact]

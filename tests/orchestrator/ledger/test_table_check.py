"""A table with finished trials convicts a ledger that lacks them; nothing else does."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from pyarrow import parquet

from orchestrator.ledger.journal import Journal
from orchestrator.ledger.journal_file import FileJournalLocation
from orchestrator.ledger.proof import LedgerDamaged, Origin
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.table_check import SHOWN, require_told_in_table
from orchestrator.ledger.trials_table import write_table
from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator.example import told_trials

ORIGIN = Origin("journal.log", "small", "espalier-store")
STATES = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return Store(tmp_path).study("small")


@pytest.fixture
def journal(folder: StudyFolder) -> Iterator[Journal]:
    """The journal of a study with one trial in each state, the last of them running."""
    drive = FileJournalLocation(folder).drive()
    journal = drive.journal()
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    for state in STATES:
        value = 0.5 if state is TrialState.COMPLETE else None
        journal.create_new_trial(study, create_trial(state=state, value=value))
    yield journal
    journal.close()
    drive.release()


def rows(*states: State) -> list[TrialRecord]:
    return [replace(told_trials(1)[0], trial=number, state=state) for number, state in enumerate(states)]


def told(count: int) -> list[TrialRecord]:
    return rows(*[State.COMPLETE] * count)


def test_without_a_table_there_is_nothing_to_compare(folder: StudyFolder, journal: Journal) -> None:
    require_told_in_table(folder, journal, ORIGIN)


def test_a_table_that_is_behind_or_level_is_no_evidence(folder: StudyFolder, journal: Journal) -> None:
    for table in ([], told(1), rows(State.COMPLETE, State.PRUNED, State.FAIL)):
        write_table(table, folder.table)
        require_told_in_table(folder, journal, ORIGIN)


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_a_trial_that_is_unfinished_in_the_table_need_not_be_in_the_ledger(
    folder: StudyFolder, journal: Journal, state: State
) -> None:
    write_table(rows(*[State.COMPLETE] * 3, state, state, state), folder.table)
    require_told_in_table(folder, journal, ORIGIN)


@pytest.mark.parametrize("state", [State.COMPLETE, State.PRUNED, State.FAIL])
def test_a_trial_finished_in_the_table_but_running_in_the_ledger_convicts_it(
    folder: StudyFolder, journal: Journal, state: State
) -> None:
    write_table(rows(*[State.COMPLETE] * 3, state), folder.table)
    with pytest.raises(LedgerDamaged) as refused:
        require_told_in_table(folder, journal, ORIGIN)
    assert refused.value.what == "lacks the result of trial 3, which trials.parquet beside it has"
    assert refused.value.command == "espalier repair small --store espalier-store"


@pytest.mark.parametrize(
    ("count", "named"),
    [(5, "trials 3, 4"), (8, "trials 3, 4, 5, 6, 7"), (9, "trials 3, 4, 5, 6, 7 and 1 more")],
)
def test_missing_trials_are_named_up_to_a_few(folder: StudyFolder, journal: Journal, count: int, named: str) -> None:
    assert SHOWN == 5
    write_table(told(count), folder.table)
    with pytest.raises(LedgerDamaged, match=f"lacks the result of {named}, which"):
        require_told_in_table(folder, journal, ORIGIN)


def test_a_ledger_without_a_study_lacks_everything(folder: StudyFolder) -> None:
    drive = FileJournalLocation(folder).drive()
    journal = drive.journal()
    write_table(told(1), folder.table)
    with pytest.raises(LedgerDamaged, match="lacks the result of trial 0, which"):
        require_told_in_table(folder, journal, ORIGIN)
    journal.close()
    drive.release()


def other_columns(path: Path) -> None:
    parquet.write_table(pa.table({"number": [9], "outcome": ["COMPLETE"]}), path)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PAR1 and no more"),
        lambda path: path.mkdir(),
        other_columns,
    ],
)
def test_a_table_that_cannot_be_read_proves_nothing(
    folder: StudyFolder, journal: Journal, write: Callable[[Path], object]
) -> None:
    write(folder.table)
    require_told_in_table(folder, journal, ORIGIN)

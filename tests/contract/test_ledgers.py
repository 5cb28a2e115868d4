"""What every place that a study's ledger can lie in must do: a file, a PostgreSQL server."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from orchestrator.ledger.journal import Drive, Journal, JournalLocation, StudyBusy
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.store.store import Store
from tests.orchestrator.test_study import lines_until

DRIVE = """
import sys, time
from pathlib import Path
from optuna.study import StudyDirection
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.store import StudyFolder
drive = journal_location_of(StudyFolder(Path(sys.argv[1])), sys.argv[2]).drive()
journal = drive.journal()
journal.create_new_study([StudyDirection.MAXIMIZE], "small")
print("written", flush=True)
time.sleep(600)
"""
"""A driver that begins a study and then does nothing more."""

Locate = Callable[[str], JournalLocation]


@pytest.fixture
def locate(tmp_path: Path, place: str) -> Locate:
    """Return where the ledger of a study lies, by the study's name."""
    return lambda name: journal_location_of(Store(tmp_path).study(name), place)


def begun(drive: Drive, name: str = "small", trials: int = 2) -> Journal:
    """Begin a study with so many trials that run."""
    journal = drive.journal()
    study = journal.create_new_study([StudyDirection.MAXIMIZE], name)
    for _ in range(trials):
        journal.create_new_trial(study, create_trial(state=TrialState.RUNNING))
    return journal


def numbers(location: JournalLocation) -> list[int]:
    """Return the numbers of the trials that a reader finds."""
    stored = location.read()
    assert stored is not None
    (study,) = stored.get_all_studies()
    return [trial.number for trial in stored.get_all_trials(study._study_id)]


def test_a_ledger_that_was_never_written_is_nobodys_and_reading_makes_none(locate: Locate) -> None:
    for _ in range(2):
        location = locate("small")
        assert (location.read(), location.holder(), location.is_driven()) == (None, None, False)


def test_a_reader_sees_what_is_written_while_it_is_written_and_afterwards(locate: Locate) -> None:
    drive = locate("small").drive()
    journal = begun(drive)
    assert numbers(locate("small")) == [0, 1]
    journal.create_new_trial(journal.get_all_studies()[0]._study_id, create_trial(state=TrialState.RUNNING))
    assert numbers(locate("small")) == [0, 1, 2]
    journal.close()
    drive.release()
    assert numbers(locate("small")) == [0, 1, 2]


def test_what_is_read_cannot_be_written(locate: Locate) -> None:
    drive = locate("small").drive()
    begun(drive).close()
    drive.release()
    stored = locate("small").read()
    assert stored is not None
    with pytest.raises(PermissionError, match="opened for reading"):
        stored.create_new_trial(stored.get_all_studies()[0]._study_id)
    assert numbers(locate("small")) == [0, 1]


def test_the_next_driver_continues_where_the_last_one_ended(locate: Locate) -> None:
    first = locate("small").drive()
    begun(first).close()
    first.release()
    second = locate("small").drive()
    journal = second.journal()
    (study,) = journal.get_all_studies()
    journal.create_new_trial(study._study_id, create_trial(state=TrialState.COMPLETE, value=0.5))
    journal.close()
    second.release()
    assert numbers(locate("small")) == [0, 1, 2]


def test_there_is_one_driver_at_a_time_and_a_second_one_learns_who_it_is(locate: Locate) -> None:
    drive = locate("small").drive()
    holder = locate("small").holder()
    assert holder is not None
    assert (holder.pid, locate("small").is_driven()) == (os.getpid(), True)
    with pytest.raises(StudyBusy, match=f"process {os.getpid()} on"):
        locate("small").drive()
    drive.release()
    assert not locate("small").is_driven()
    locate("small").drive().release()


def test_giving_up_twice_is_giving_up_once(locate: Locate) -> None:
    drive = locate("small").drive()
    journal = begun(drive)
    for _ in range(2):
        journal.close()
        drive.release()
    assert numbers(locate("small")) == [0, 1]


def test_a_beat_moves_the_time_at_which_the_driver_was_last_alive(locate: Locate) -> None:
    drive = locate("small").drive()
    before = locate("small").holder()
    drive.beat()
    after = locate("small").holder()
    assert before is not None
    assert after is not None
    assert before.since == after.since
    assert before.last_beat <= after.last_beat
    drive.release()


def test_studies_do_not_see_each_other(locate: Locate) -> None:
    drives = [locate(name).drive() for name in ("one", "two")]
    journals = [begun(drive, name, trials) for drive, name, trials in zip(drives, ("one", "two"), (1, 3), strict=True)]
    assert (numbers(locate("one")), numbers(locate("two"))) == ([0], [0, 1, 2])
    for journal, drive in zip(journals, drives, strict=True):
        journal.close()
        drive.release()


def test_what_a_killed_driver_wrote_stays_and_its_right_to_drive_is_free(
    locate: Locate, tmp_path: Path, place: str
) -> None:
    command = [sys.executable, "-c", DRIVE, str(Store(tmp_path).study("small").path), place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert lines_until(other, "written")
        with pytest.raises(StudyBusy, match=f"process {other.pid} on"):
            locate("small").drive()
        other.kill()
        other.wait()
    assert numbers(locate("small")) == []
    drive = locate("small").drive()
    journal = drive.journal()
    assert [study.study_name for study in journal.get_all_studies()] == ["small"]
    journal.close()
    drive.release()

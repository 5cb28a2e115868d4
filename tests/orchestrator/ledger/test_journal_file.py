"""The journal in a file: its lock, its last line, its witness, and what lies there in its place."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from typing_extensions import Buffer

from orchestrator.ledger import journal_file
from orchestrator.ledger.journal import Journal, StudyBusy
from orchestrator.ledger.journal_file import DriverLock, FileJournalLocation, is_driven, read_holder
from orchestrator.ledger.proof import Chain, LedgerDamaged, Position, Witness
from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator.broken import NO_OBJECT
from tests.orchestrator.small import ledger_of, study
from trainables.errors import InvalidValue


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at a lock for an instant here: whoever holds one keeps it."""
    monkeypatch.setattr(journal_file, "LOCK_RETRIES", ())


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return Store(tmp_path).study("small")


@pytest.fixture
def location(folder: StudyFolder) -> FileJournalLocation:
    return FileJournalLocation(folder)


@pytest.fixture
def written(location: FileJournalLocation) -> FileJournalLocation:
    """A journal with a study of two running trials, closed by its driver."""
    write(location, trials=2)
    return location


def write(location: FileJournalLocation, trials: int) -> None:
    """Begin a study unless it has begun, and ask some trials."""
    drive = location.drive()
    journal = drive.journal()
    studies = journal.get_all_studies()
    study = studies[0]._study_id if studies else journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    ask(journal, study, trials)
    journal.close()
    drive.release()


def ask(journal: Journal, study: int, trials: int) -> None:
    for _ in range(trials):
        journal.create_new_trial(study, create_trial(state=TrialState.RUNNING))


def trials_in(location: FileJournalLocation) -> int:
    storage = location.read()
    assert storage is not None
    (study,) = storage.get_all_studies()
    return len(storage.get_all_trials(study._study_id))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text("ab", max_size=20), max_size=5), torn=st.text("ab", max_size=30), block=st.integers(1, 9))
def test_only_what_follows_the_last_newline_is_cut_off(
    lines: list[str], torn: str, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "journal.log"
    whole = "".join(f"{line}\n" for line in lines)
    path.write_text(whole + torn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_file, "BLOCK", block)
        with path.open("rb+") as file:
            journal_file._cut_torn_line(file.fileno())
    assert path.read_text() == whole


def test_a_torn_last_line_is_invisible_to_readers_and_cut_off_by_the_next_driver(
    written: FileJournalLocation,
) -> None:
    with written.path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"kil')
    torn = written.path.read_bytes()
    assert trials_in(written) == 2
    assert written.raw()[-1] == b'{"op_code":4,"worker_id":"kil'
    assert written.path.read_bytes() == torn
    write(written, trials=1)
    assert trials_in(written) == 3
    assert written.path.read_bytes().startswith(torn[: torn.rfind(b"\n") + 1])
    assert all(json.loads(line)["proof"] for line in written.raw())


def test_a_reader_changes_nothing_and_makes_nothing(location: FileJournalLocation, folder: StudyFolder) -> None:
    assert (location.read(), location.raw(), location.witness(), location.holder()) == (None, [], None, None)
    assert not location.is_driven()
    assert not folder.path.exists()


def test_the_witness_is_where_the_journal_is_once_it_is_closed(written: FileJournalLocation) -> None:
    for trials in (2, 3):
        witness = written.witness()
        assert witness is not None
        assert (witness.lines, witness.trials) == (trials + 1, trials)
        assert witness.digest == json.loads(written.raw()[-1])["proof"].split()[3]
        write(written, trials=1)


def test_a_flush_lets_the_witness_follow_while_the_driver_lives(location: FileJournalLocation) -> None:
    drive = location.drive()
    journal = drive.journal()
    ask(journal, journal.create_new_study([StudyDirection.MAXIMIZE], "small"), 1)
    journal.flush()
    assert trials_in(location) == 1
    journal.flush_soon()
    journal.close()
    assert location.witness() == Position(2, 1, json.loads(location.raw()[-1])["proof"].split()[3])
    drive.release()


@pytest.mark.parametrize("empty", [Path.unlink, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("evidence", ["witness", "table"])
def test_a_journal_without_lines_is_damaged_if_anything_shows_that_it_had_some(
    written: FileJournalLocation, empty: Callable[[Path], object], evidence: str
) -> None:
    empty(written.path)
    what = "is missing" if empty is Path.unlink else "is empty"
    expected = f"{what}, and had 3 lines and 2 trials"
    if evidence == "table":
        written.folder.witness.unlink()
        written.folder.table.touch()
        expected = f"{what}, and trials.parquet beside it has its trials"
    drive = written.drive()
    for use in (written.read, drive.journal):
        with pytest.raises(LedgerDamaged) as refused:
            use()
        assert (refused.value.where, refused.value.what) == (str(written.path), expected)
    drive.release()


def test_an_empty_journal_of_which_nothing_is_known_is_a_new_one(written: FileJournalLocation) -> None:
    written.path.write_bytes(b"")
    written.folder.witness.unlink()
    storage = written.read()
    assert storage is not None
    assert storage.get_all_studies() == []
    write(written, trials=1)
    assert trials_in(written) == 1


def test_a_damaged_journal_is_copied_before_it_is_replaced(written: FileJournalLocation, tmp_path: Path) -> None:
    lines = written.path.read_bytes()
    written.path.write_bytes(lines[:-9])
    chain = Chain()
    begin = {"op_code": 0, "worker_id": "repair", "study_name": "small", "directions": [2]}
    kept = [chain.sign(json.dumps(begin, separators=(",", ":")).encode())]
    drive = written.drive()
    drive.replace(kept, tmp_path / "copy", chain.at)
    drive.release()
    assert (tmp_path / "copy").read_bytes() == lines[:-9]
    assert written.raw() == kept
    assert written.witness() == chain.at
    assert trials_in(written) == 0


def test_there_is_no_copy_of_a_journal_that_is_gone(location: FileJournalLocation, tmp_path: Path) -> None:
    drive = location.drive()
    drive.replace([], tmp_path / "copy", Position())
    drive.release()
    assert location.path.read_bytes() == b""
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("name", ["journal", "witness", "driver_lock"])
def test_a_link_in_place_of_a_file_of_the_ledger_is_refused_and_its_target_untouched(
    written: FileJournalLocation, name: str, tmp_path: Path
) -> None:
    path: Path = getattr(written.folder, name)
    (tmp_path / "target").write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(tmp_path / "target")
    before = (tmp_path / "target").read_bytes()
    uses: list[Callable[[], object]] = (
        [written.holder, written.is_driven, written.drive] if name == "driver_lock" else [written.read]
    )
    for use in uses:
        with pytest.raises(InvalidValue, match="no link"):
            use()
    assert (tmp_path / "target").read_bytes() == before


def test_a_failed_write_is_taken_back_and_the_next_line_begins_on_its_own(
    location: FileJournalLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    class HalfFull(FileIO):
        full = False

        def write(self, block: Buffer) -> int:
            if not self.full:
                return super().write(block)
            super().write(memoryview(block)[:7])
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal_file, "FileIO", HalfFull)
    drive = location.drive()
    journal = drive.journal()
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    before = location.path.read_bytes()
    HalfFull.full = True
    with pytest.raises(OSError, match="No space left"):
        ask(journal, study, 1)
    assert location.path.read_bytes() == before
    HalfFull.full = False
    ask(journal, study, 1)
    journal.close()
    drive.release()
    assert trials_in(location) == 1


def test_a_write_in_pieces_is_a_whole_line(location: FileJournalLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(FileIO):
        def write(self, block: Buffer) -> int:
            return super().write(memoryview(block)[:5])

    monkeypatch.setattr(journal_file, "FileIO", Slow)
    write(location, trials=2)
    assert trials_in(location) == 2


def test_trouble_of_the_flushing_thread_is_raised_by_the_next_write(
    location: FileJournalLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    drive = location.drive()
    journal = drive.journal()
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    lines = journal._lines
    assert isinstance(lines, journal_file._OwnFile)
    with monkeypatch.context() as broken:
        broken.setattr(Witness, "write", fail)
        journal.flush_soon()
        while lines._trouble is None:
            lines._flusher.join(0.001)
    with pytest.raises(OSError, match="Input/output error"):
        ask(journal, study, 1)
    journal.close()
    drive.release()
    assert trials_in(location) == 0


def test_closing_twice_is_closing_once(location: FileJournalLocation) -> None:
    drive = location.drive()
    journal = drive.journal()
    for _ in range(2):
        journal.close()
        drive.release()
    assert not location.is_driven()


def test_a_lock_names_its_holder_and_refuses_a_second_one(tmp_path: Path) -> None:
    path = tmp_path / "small" / "driver.lock"
    before = datetime.now(UTC).replace(microsecond=0)
    lock = DriverLock(path)
    holder = read_holder(path)
    assert holder is not None
    assert (holder.pid, holder.since >= before) == (os.getpid(), True)
    assert is_driven(path)
    with pytest.raises(StudyBusy, match=f"'small' is being run by process {os.getpid()} on"):
        DriverLock(path)
    assert read_holder(path) == holder
    lock.release()
    assert not is_driven(path)
    assert read_holder(path) == holder
    DriverLock(path).release()


def test_a_beat_or_a_line_shows_that_the_holder_is_alive(location: FileJournalLocation) -> None:
    drive = location.drive()
    for path in (location.lock, location.path):
        path.touch()
        os.utime(path, (1_000, 1_000))
    holder = location.holder()
    assert holder is not None
    assert holder.last_beat.timestamp() == 1_000
    os.utime(location.path, (2_000, 2_000))
    assert location.holder() == replace(holder, last_beat=datetime.fromtimestamp(2_000, UTC))
    drive.beat()
    beaten = location.holder()
    assert beaten is not None
    assert beaten.last_beat.timestamp() > 2_000
    drive.release()


@pytest.mark.parametrize(
    "content",
    [
        *NO_OBJECT,
        b"{}",
        b'{"pid": 1, "host": "a"}',
        b'{"pid": "x", "host": "a", "since": "2026-01-01T00:00:00+00:00"}',
        b'{"pid": 1e999, "host": "a", "since": "2026-01-01T00:00:00+00:00"}',
        b'{"pid": 1, "host": "a", "since": "yesterday"}',
        b'{"pid": 1, "host": "a", "since": 5}',
        b'{"pid": null, "host": "a", "since": null}',
    ],
)
def test_a_lock_file_that_does_not_say_who_holds_it_can_be_taken(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "driver.lock"
    path.write_bytes(content)
    assert read_holder(path) is None
    assert not is_driven(path)
    lock = DriverLock(path)
    holder = read_holder(path)
    assert holder is not None
    assert holder.pid == os.getpid()
    lock.release()


@pytest.mark.parametrize("content", ["", "5", "[1]", "{}", "\0\0", '{"pid": "x", "host": 1, "since": "never"}'])
def test_a_lock_that_says_nothing_is_taken_and_written_again(tmp_path: Path, content: str) -> None:
    with ledger_of(study(), tmp_path) as driver:
        lock = driver.folder.driver_lock
        lock.write_text(content)
        assert read_holder(lock) is None
        with pytest.raises(StudyBusy, match="another process"):
            ledger_of(study(), tmp_path)
    with ledger_of(study(), tmp_path):
        holder = read_holder(lock)
    assert holder is not None
    assert holder.pid == os.getpid()


def test_the_lock_names_the_driver_of_a_study_and_its_last_sign_of_life(tmp_path: Path) -> None:
    lock = Store(tmp_path).study("small").driver_lock
    assert read_holder(lock) is None
    with ledger_of(study(), tmp_path) as driver:
        os.utime(lock, (0, 0))
        holder = read_holder(lock)
        assert holder is not None
        assert holder.pid == os.getpid()
        assert holder.last_beat.year == 1970
        driver.beat()
        beaten = read_holder(lock)
    assert beaten is not None
    assert abs((beaten.last_beat - datetime.now(UTC)).total_seconds()) < 60
    assert beaten.since <= beaten.last_beat
    assert not is_driven(lock)
    assert read_holder(lock) == beaten

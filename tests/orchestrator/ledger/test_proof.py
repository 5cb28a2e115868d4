"""The proofs of a ledger: what was changed behind espalier's back is recognised, with file and line."""

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from orchestrator.ledger import ledger
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.proof import LedgerDamaged, Position, Witness, unproven
from orchestrator.ledger.records import State
from orchestrator.ledger.trials_table import write_table
from orchestrator.store.store import StudyFolder
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small

Lines = list[bytes]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A finished study of three trials."""
    with small.launched(small.study(trials=3, epochs=2), tmp_path) as driver:
        small.run_all(Sweep(driver, small.Silence()))
    return driver.folder


def lines_of(folder: StudyFolder) -> Lines:
    return folder.journal.read_bytes().splitlines(keepends=True)


def write(folder: StudyFolder, lines: Lines) -> None:
    folder.journal.write_bytes(b"".join(lines))


def without_proofs(folder: StudyFolder) -> None:
    """Make of a study one that was written before there were proofs."""
    write(folder, [unproven(line.strip()) + b"\n" for line in lines_of(folder)])
    folder.witness.unlink()


DAMAGES: list[tuple[Callable[[Lines], Lines], str]] = [
    (lambda lines: [*lines[:4], lines[4].replace(b"0.", b"1.", 1), *lines[5:]], "line 5 was changed"),
    (lambda lines: [*lines[:4], b"\xff" + lines[4][1:], *lines[5:]], "line 5 was changed"),
    (lambda lines: [*lines[:4], *lines[5:]], "line 5 was line 6: 1 before it are missing"),
    (lambda lines: [*lines[:5], *lines[4:]], "line 6 is line 5 again"),
    (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 was line 3: 1 before it are missing"),
    (lambda lines: [*lines[:4], unproven(lines[4].strip()) + b"\n", *lines[5:]], "line 5 has no proof"),
    (lambda lines: lines[:-1], r"has \d+ lines and 3 trials, and had \d+ lines and 3 trials"),
    (lambda lines: lines[:1], "has 1 lines and 0 trials, and had"),
    (lambda lines: [*lines[:-1], lines[-1][:20]], r"has \d+ lines"),
    (lambda lines: [*lines[:-1], lines[-1][:-1]], r"has \d+ lines"),
    (lambda _: [], "is empty, and had"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES)
def test_damage_is_recognised_with_file_and_line_and_nothing_is_changed(
    folder: StudyFolder, damage: Callable[[Lines], Lines], said: str
) -> None:
    damaged = damage(lines_of(folder))
    write(folder, damaged)
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    for use in (lambda: ledger.read(folder), lambda: Ledger(folder, small.study(trials=3, epochs=2))):
        with pytest.raises(LedgerDamaged, match=said) as refused:
            use()
        assert str(folder.journal) in str(refused.value)
        assert "`espalier repair small --store" in str(refused.value)
    after = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if path != folder.driver_lock} == {
        path: before[path] for path in before if path != folder.driver_lock
    }


def test_a_line_that_another_study_wrote_is_recognised(folder: StudyFolder, tmp_path: Path) -> None:
    with small.launched(small.study(trials=3, epochs=2, seed=5), tmp_path / "other") as driver:
        small.run_all(Sweep(driver, small.Silence()))
    lines = lines_of(folder)
    write(folder, [*lines[:4], lines_of(driver.folder)[4], *lines[5:]])
    with pytest.raises(LedgerDamaged, match="line 5 follows another line"):
        ledger.read(folder)


def test_a_ledger_that_is_gone_is_no_new_study(folder: StudyFolder) -> None:
    folder.journal.unlink()
    with pytest.raises(LedgerDamaged, match="is missing, and had"):
        Ledger(folder, small.study())
    assert not folder.journal.exists()


@pytest.mark.parametrize("left", [0, 4])
def test_the_table_speaks_for_a_ledger_from_before_there_were_proofs(folder: StudyFolder, left: int) -> None:
    write_table(ledger.read(folder), folder.table)
    without_proofs(folder)
    write(folder, lines_of(folder)[:left])
    with pytest.raises(LedgerDamaged, match=r"trials\.parquet"):
        Ledger(folder, small.study(trials=3, epochs=2))


def test_a_ledger_from_before_there_were_proofs_is_read_and_gets_them(folder: StudyFolder) -> None:
    records = ledger.read(folder)
    without_proofs(folder)
    old = lines_of(folder)
    assert ledger.read(folder) == records
    with Ledger(folder, small.study(trials=4, epochs=2)) as driver:
        assert not driver.storage.is_proven
        small.run_all(Sweep(driver, small.Silence()))
    lines = lines_of(folder)
    assert lines[: len(old)] == old
    assert all(b'"proof":' in line for line in lines[len(old) :])
    assert ledger.read(folder)[:3] == records
    write(folder, [old[0], *lines[2:]])
    with pytest.raises(LedgerDamaged, match="1 before it are missing"):
        ledger.read(folder)


def test_a_line_from_before_there_were_proofs_that_cannot_be_understood_is_named(folder: StudyFolder) -> None:
    without_proofs(folder)
    lines = lines_of(folder)
    for wrong in (b"{}\n", b"5\n", b"\x00\n", b'{"op_code":6,"trial_id":99,"state":1,"values":[1]}\n'):
        write(folder, [*lines[:3], wrong, *lines[3:]])
        with pytest.raises(LedgerDamaged, match="line 4"):
            ledger.read(folder)


def test_optuna_reads_a_ledger_with_proofs(folder: StudyFolder) -> None:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder.journal)))
    (found,) = optuna.get_all_study_summaries(storage)
    study = optuna.load_study(study_name=found.study_name, storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert study.trials[0].params


def test_a_witness_that_cannot_be_understood_says_nothing(folder: StudyFolder) -> None:
    position = Witness(folder.witness).read()
    assert position is not None
    assert position.lines == len(lines_of(folder))
    assert position.trials == 3
    for wrong in (b"", b"{}", b"\xff", folder.witness.read_bytes().replace(b'"trials": 3', b'"trials": 2')):
        folder.witness.write_bytes(wrong)
        assert Witness(folder.witness).read() is None
        assert [record.state for record in ledger.read(folder)] == [State.COMPLETE] * 3


def test_a_position_depends_on_all_that_was_before() -> None:
    first, second = Position().after(b'{"op_code":4,"a":1'), Position().after(b'{"op_code":4,"a":2')
    assert first.trials == second.trials == 1
    assert first.digest != second.digest
    assert first.after(b"{").digest != second.after(b"{").digest
    line, after = first.sign(json.dumps({"op_code": 5}).encode())
    assert first.follow(line, proven=True) == after

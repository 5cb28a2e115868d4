"""Repairing a ledger: what is whole is saved, told trials stay told, and nothing is done that was not asked for."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.proof import unproven
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.repair import carry_out, diagnose
from orchestrator.ledger.trials_table import write_table
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import seal
from orchestrator.store.store import StudyFolder
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier

SPEC = small.study(trials=4, epochs=3)
Lines = list[bytes]


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study of four trials, of which three are told and one runs; each has a checkpoint."""
    with small.launched(SPEC, tmp_path / "espalier-store") as driver:
        sweep = Sweep(driver, small.Silence())
        for number in range(4):
            trial = sweep.next()
            assert trial is not None
            sweep.begin(number)
            for epoch in range(1, 4 if number < 3 else 2):
                sweep.report(number, small.epoch(sweep, trial, epoch))
            ref = CheckpointRef(f"{number:05d}-x", "checkpoint_000000")
            checkpoint = driver.folder.checkpoint(ref)
            checkpoint.mkdir(parents=True)
            (checkpoint / "epoch").write_text("1")
            seal(checkpoint, driver.owner(number))
            sweep.save(number, ref)
            if number < 3:
                sweep.end(number)
    return driver.folder


def lines_of(folder: StudyFolder) -> Lines:
    return folder.journal.read_bytes().splitlines(keepends=True)


def is_same(record: TrialRecord, other: TrialRecord) -> bool:
    names = ("state", "paradigm", "params", "seed", "metrics", "curve")
    return all(getattr(record, name) == getattr(other, name) for name in names)


DAMAGES: list[Callable[[Lines, random.Random], Lines]] = [
    lambda lines, chance: [line for n, line in enumerate(lines) if n != chance.randrange(len(lines))],
    lambda lines, chance: lines[: chance.randrange(len(lines))],
    lambda lines, chance: [*lines, lines[chance.randrange(len(lines))]],
    lambda lines, chance: [line[::-1] if chance.random() < 0.2 else line for line in lines],
    lambda lines, chance: chance.sample(lines, len(lines)),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("table", [True, False])
def test_a_repaired_ledger_tells_what_was_told_or_has_it_run_again(
    folder: StudyFolder, damage: Callable[[Lines, random.Random], Lines], seed: int, table: bool
) -> None:
    before = ledger.read(folder)
    if table:
        write_table(before, folder.table)
    damaged = damage(lines_of(folder), random.Random(seed))
    folder.journal.write_bytes(b"".join(damaged))
    if diagnose(folder).damage is None:
        assert damaged == lines_of(folder)
        return
    copy = carry_out(folder)
    assert copy.read_bytes() == b"".join(damaged)
    assert diagnose(folder).damage is None
    after = ledger.read(folder)
    assert len(after) == 4
    for record, was in zip(after, before, strict=True):
        if table and was.state is State.COMPLETE:
            assert is_same(record, was)
        assert record.state in (was.state, State.RUNNING, State.FAIL)
        assert record.state is not State.COMPLETE or record.metrics == was.metrics
    with Ledger(folder, SPEC) as again:
        small.run_all(Sweep(again, small.Silence()))
        assert all(record.state in (State.COMPLETE, State.FAIL) for record in again.records())


def test_a_trial_whose_end_was_lost_runs_again_from_its_checkpoint(folder: StudyFolder) -> None:
    lines = [line for line in lines_of(folder) if b'"state":1' not in line and b'"checkpoints"' not in line]
    folder.journal.write_bytes(b"".join(lines))
    assert diagnose(folder).run_again == (0, 1, 2, 3)
    carry_out(folder)
    with Ledger(folder, SPEC) as again:
        trial = Sweep(again, small.Silence()).next()
    assert trial is not None
    assert trial.checkpoint == CheckpointRef("00000-x", "checkpoint_000000")


def test_without_a_table_a_trial_that_is_known_by_its_number_keeps_it(folder: StudyFolder) -> None:
    before, lines = ledger.read(folder), lines_of(folder)
    asked = [n for n, line in enumerate(lines) if line.startswith(b'{"op_code":4')]
    folder.journal.write_bytes(b"".join(line for n, line in enumerate(lines) if n != asked[1]))
    assert diagnose(folder).lost == (1,)
    carry_out(folder)
    after = ledger.read(folder)
    assert [after[n] for n in (0, 2)] == [before[n] for n in (0, 2)]
    assert (after[1].state, after[1].reason) == (State.FAIL, "its lines in the ledger were lost")
    assert (folder.path / "set-aside" / "00001-x" / "checkpoint_000000" / "epoch").read_text() == "1"


def test_a_ledger_from_before_there_were_proofs_is_repaired_too(folder: StudyFolder) -> None:
    before = ledger.read(folder)
    write_table(before, folder.table)
    lines = [unproven(line.strip()) + b"\n" for line in lines_of(folder)]
    folder.witness.unlink()
    folder.journal.write_bytes(b"".join([*lines[:7], b"\0\0\n", *lines[8:]]))
    carry_out(folder)
    assert [is_same(now, was) for now, was in zip(ledger.read(folder), before, strict=True)][:3] == [True] * 3


def test_a_whole_ledger_is_left_as_it_is(espalier: Espalier, folder: StudyFolder) -> None:
    before = folder.journal.read_bytes()
    status, out, err = espalier("repair", "small", "--yes")
    assert (status, out, err) == (0, f"The ledger is intact: {len(lines_of(folder))} lines.\n", "")
    assert folder.journal.read_bytes() == before


def test_the_command_says_what_it_would_do_and_does_it_when_told_to(espalier: Espalier, folder: StudyFolder) -> None:
    shutil.copyfile(folder.journal, folder.path / "copy")
    folder.journal.write_bytes(b"")
    status, _, err = espalier("status", "small")
    assert (status, "journal.log: is empty, and had" in err, "espalier repair small" in err) == (2, True, True)
    status, out, err = espalier("repair", "small")
    assert (status, "Nothing was changed" in out, err) == (1, True, "")
    assert folder.journal.read_bytes() == b""
    status, out, err = espalier("repair", "small", "--yes")
    assert (status, "Marked FAIL, because only the number is known: trials 0, 1, 2, 3." in out, err) == (
        0,
        True,
        "",
    )
    assert espalier("status", "small")[0] == 0
    shutil.copyfile(folder.path / "copy", folder.journal)  # somebody finds it
    status, _, err = espalier("status", "small")
    assert (status, "is not the one that was written" in err) == (2, True)
    assert espalier("repair", "small", "--yes")[0] == 0
    assert [record.state for record in ledger.read(folder)] == [State.COMPLETE] * 3 + [State.RUNNING]

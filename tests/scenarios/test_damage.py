"""Damaged files: what a crash, a power failure or a full disk leaves behind is not taken for whole."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import Owner, seal
from orchestrator.store.disk import is_full
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import Silence, epoch, ledger_of, run_all, study


def checkpoint(folder: Path, content: str = "weights", owner: Owner | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "trial.pt").write_text(content)
    (folder / "extra").mkdir()
    (folder / "extra" / "optimizer.pt").write_text("momenta")
    seal(folder, owner)
    return folder


def empty(path: Path) -> None:
    path.write_bytes(b"")


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES = pytest.mark.parametrize("damage", [empty, halve, zero, os.remove])


@DAMAGES
@pytest.mark.parametrize("damaged", [0, 1, 2])
def test_a_trial_goes_on_from_its_newest_checkpoint_that_is_whole(
    tmp_path: Path, damaged: int, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    with ledger_of(study(trials=1), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(0)
        refs = [CheckpointRef("00000-x", f"checkpoint_{number:06d}") for number in range(3)]
        for number, ref in enumerate(refs, start=1):
            sweep.report(0, epoch(sweep, trial, number))
            checkpoint(driver.folder.checkpoint(ref), str(number), driver.owner(0))
            sweep.save(0, ref)
    assert [driver.folder.checkpoint(ref).exists() for ref in refs] == [False, True, True]
    oldest_first = refs[1:]
    for ref in oldest_first[2 - damaged :]:
        damage(driver.folder.checkpoint(ref) / "trial.pt")
    for _ in range(2):  # what was found damaged once is not counted again
        with ledger_of(study(trials=1), tmp_path) as again:
            resumed = Sweep(again, Silence()).next()
            assert resumed is not None
            assert resumed.checkpoint == (oldest_first[1 - damaged] if damaged < 2 else None)
            assert again.record(0).damaged_checkpoints == damaged
    assert ("damaged" in caplog.text) == (damaged > 0)


OWNER = Owner("small", 3, "0123", 2)


def test_a_trial_does_not_continue_from_what_another_one_left(tmp_path: Path) -> None:
    with ledger_of(study(trials=2), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        for number in range(2):
            trial = sweep.next()
            assert trial is not None
            sweep.begin(number)
            sweep.report(number, epoch(sweep, trial, 1))
            ref = CheckpointRef(f"{number:05d}-x", "checkpoint_000000")
            checkpoint(driver.folder.checkpoint(ref), owner=driver.owner(number))
            sweep.save(number, ref)
    mine, foreign = (driver.folder.trials / f"{number:05d}-x" / "checkpoint_000000" for number in range(2))
    shutil.rmtree(mine)
    shutil.copytree(foreign, mine)
    with ledger_of(driver.spec, tmp_path) as again:
        resumed = [Sweep(again, Silence()).next()]
        assert [one and one.checkpoint for one in resumed] == [None]
        assert again.record(0).damaged_checkpoints == 1


@settings(max_examples=15, deadline=None)
@given(room=st.integers(0, 2500))
def test_a_journal_that_cannot_grow_keeps_what_it_holds_and_goes_on_when_there_is_room(
    room: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("limited")
    with ledger_of(study(trials=3, epochs=2), tmp_path) as driver:
        sweep, limits = Sweep(driver, Silence()), resource.getrlimit(resource.RLIMIT_FSIZE)
        size = driver.folder.journal.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large") as caught:
                run_all(sweep)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert is_full(caught.value)
        lines = driver.folder.journal.read_bytes()
        assert lines.endswith(b"\n")
        assert all(json.loads(line) for line in lines.splitlines())
    with ledger_of(driver.spec, tmp_path) as again:
        assert [record.state for record in run_all(Sweep(again, Silence()))] == [State.COMPLETE] * 3
    assert driver.folder.journal.read_bytes().startswith(lines)


FULL = """
set -e
mount -t tmpfs -o size=64m tmpfs "$1"
cat > "$1/../study.yaml"
espalier() { "$2" -c 'from orchestrator.cli import main; main()' "$3" "$4" --store "$1/store" --quiet; }
espalier "$1" "$2" launch "$1/../study.yaml" 2> "$1/../said" &
until grep -q '"state":1' "$1/store/studies/full/journal.log" 2> /dev/null; do sleep 0.05; done
cat /dev/zero > "$1/ballast" 2> /dev/null || true
wait $! && echo 0 > "$1/../status" || echo $? > "$1/../status"
cp "$1/store/studies/full/journal.log" "$1/../journal.before"
rm "$1/ballast"
mount -o remount,size=200m "$1"
espalier "$1" "$2" resume full
cp "$1/store/studies/full/journal.log" "$1/../journal.after"
"""
"""A study on a disk that another file fills once a trial is told; then there is room, and it is resumed."""

STUDY = """
name: full
data: {name: digits, subset: 200}
model: {name: mlp}
paradigms: {dense: {}, magnitude: {}}
search: {trials: 10, sampler: random}
fidelity: {epochs: 8}
"""


def may_mount() -> bool:
    return subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="nobody may mount a small file system here")
def test_a_full_disk_ends_the_study_with_advice_and_a_resume_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    unshared = ["unshare", "--map-root-user", "--mount", "bash", "-c", FULL, "full", str(tmp_path / "disk")]
    subprocess.run([*unshared, sys.executable], input=STUDY, text=True, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "status").read_text() == "1\n"
    said = (tmp_path / "said").read_text()
    assert "make room there, then continue by `espalier resume full --store" in said
    assert "Traceback" not in said
    before, after = (tmp_path / name for name in ("journal.before", "journal.after"))
    assert after.read_bytes().startswith(before.read_bytes())
    for name, journal in (("a", before), ("b", after)):
        folder = Store(tmp_path / name).study("full")
        folder.path.mkdir(parents=True)
        journal.rename(folder.journal)
    whole = ledger.read(Store(tmp_path / "b").study("full"))
    assert [record.state for record in whole] == [State.COMPLETE] * 10
    told = [one for one in ledger.read(Store(tmp_path / "a").study("full")) if one.state is State.COMPLETE]
    assert told
    assert [whole[record.trial] for record in told] == told

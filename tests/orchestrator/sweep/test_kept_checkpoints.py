"""What is kept of a trial's checkpoints while it runs and when it has ended, and where it continues."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.kept_checkpoints import KeptCheckpoints
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import Silence, ledger_of, study


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of a study that has handed out its trials 0 and 1."""
    with ledger_of(study(trials=2), tmp_path) as opened:
        sweep = Sweep(opened, Silence())
        assert None not in (sweep.next(), sweep.next())
        opened.folder.trials.mkdir(parents=True, exist_ok=True)
        yield opened


def saved(ledger: Ledger, kept: KeptCheckpoints, epochs: Iterable[int], owner: int = 0) -> list[CheckpointRef]:
    """Let trial 0 save real checkpoints, sealed as those of `owner`."""
    made = [CheckpointRef("00000-1", f"checkpoint_{epoch:06d}") for epoch in epochs]
    for checkpoint in made:
        trial_files(ledger.folder).keep(checkpoint, _write, ledger.owner(owner))
        kept.save(0, checkpoint)
    return made


def _write(folder: Path) -> None:
    (folder / "state").write_text("trained")


def present(ledger: Ledger) -> list[str]:
    return sorted(path.name for path in ledger.folder.trials.glob("*/checkpoint_*"))


def test_a_checkpoint_of_the_last_epoch_is_there_once_it_is_saved(ledger: Ledger) -> None:
    kept = KeptCheckpoints(ledger)
    there = [kept.has_last_epoch(0)]
    kept.report(0)
    there.append(kept.has_last_epoch(0))
    saved(ledger, kept, (1,))
    there += [kept.has_last_epoch(0), kept.has_last_epoch(1)]
    assert there == [True, False, True, True]


@pytest.mark.parametrize(("needed", "left"), [(0, []), (1, ["checkpoint_000003"])])
def test_a_trial_that_has_ended_keeps_as_many_as_are_needed_of_the_newest(
    ledger: Ledger, needed: int, left: list[str]
) -> None:
    kept = KeptCheckpoints(ledger)
    saved(ledger, kept, (1, 2, 3))
    assert present(ledger) == ["checkpoint_000002", "checkpoint_000003"]
    kept.report(0)
    kept.close(0, needed)
    assert present(ledger) == left
    assert kept.has_last_epoch(0)


def test_where_all_are_damaged_or_anothers_a_warning_names_each_and_the_trial_restarts(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    kept = KeptCheckpoints(ledger)
    (mine,) = saved(ledger, kept, (1,))
    (theirs,) = saved(ledger, kept, (2,), owner=1)
    (ledger.folder.checkpoint(mine) / "state").write_text("train")
    assert kept.newest_whole(0) is None
    assert "trial 0 restarts from the beginning" in caplog.text
    assert all(one.name in caplog.text for one in (mine, theirs))
    assert ledger.checkpoints(0) == []
    assert ledger.record(0).damaged_checkpoints == 2


def test_the_checkpoint_before_a_damaged_one_is_continued_from_and_named(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    kept = KeptCheckpoints(ledger)
    first, second = saved(ledger, kept, (1, 2))
    (ledger.folder.checkpoint(second) / "state").write_text("train")
    assert kept.newest_whole(0) == first
    assert f"continues from {ledger.folder.shown(ledger.folder.checkpoint(first))}: damaged" in caplog.text
    assert kept.newest_whole(0) == first
    assert ledger.record(0).damaged_checkpoints == 1

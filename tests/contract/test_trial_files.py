"""What every place that the files of trials can lie in must do: a disk, a bucket."""

from pathlib import Path

import pytest

from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import SEAL, Owner
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import TrialFiles, trial_files


@pytest.fixture(params=["disk", "objects"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> StudyFolder:
    """A study's folder on a disk, and one in an object storage."""
    place = str(tmp_path) if request.param == "disk" else f"s3://{request.getfixturevalue('bucket')}/shelf"
    folder = Store.at(place).study("small")
    folder.trials.mkdir(parents=True)
    return folder


def save(folder: Path) -> None:
    (folder / "trial.pt").write_text("weights")
    (folder / "extra").mkdir()
    (folder / "extra" / "optimizer.pt").write_text("momenta")


def kept(files: TrialFiles, *checkpoints: CheckpointRef, owner: Owner | None = None) -> None:
    for checkpoint in checkpoints:
        assert files.keep(checkpoint, save, owner)


def there(folder: StudyFolder) -> list[str]:
    """Return the files below a study's trials."""
    if folder.remote is not None:
        names = folder.remote.below("trials").names(deep=True)
        return sorted(name for name in names if "." in name)
    return sorted(path.relative_to(folder.trials).as_posix() for path in folder.trials.rglob("*") if path.is_file())


FILES = ["extra/optimizer.pt", SEAL, "trial.pt"]


def test_a_checkpoint_is_kept_sealed_and_comes_back_as_it_was(folder: StudyFolder) -> None:
    files, checkpoint = trial_files(folder), CheckpointRef("00000-x", "checkpoint_000000")
    kept(files, checkpoint)
    assert there(folder) == [f"00000-x/checkpoint_000000/{name}" for name in FILES]
    assert files.is_intact(checkpoint)
    copy = files.fetch(checkpoint)
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()) == FILES
    assert (copy / "extra" / "optimizer.pt").read_text() == "momenta"
    empty = CheckpointRef("00000-x", "checkpoint_000001")
    assert not files.keep(empty, lambda _: None)
    assert not files.is_intact(empty)
    del files
    assert copy.exists() == (folder.remote is None)  # what was fetched goes with who has fetched it


def test_what_is_not_kept_goes_but_for_the_texts_of_errors(folder: StudyFolder) -> None:
    files = trial_files(folder)
    first, second, pruned, failed = (
        CheckpointRef(attempt, "checkpoint_000000") for attempt in ("00000-x", "00000-y", "00001-x", "00002-x")
    )
    newer = CheckpointRef("00000-x", "checkpoint_000001")
    kept(files, first, newer, second, pruned, failed)
    text = folder.trials / failed.attempt / "error.txt"
    text.parent.mkdir(exist_ok=True)
    text.write_text("ValueError")
    folder.push(text)
    files.tidy({newer})
    assert there(folder) == [*(f"00000-x/checkpoint_000001/{name}" for name in FILES), "00002-x/error.txt"]
    assert files.is_intact(newer)


def test_what_belongs_to_no_known_trial_is_set_aside(folder: StudyFolder) -> None:
    files = trial_files(folder)
    known, unknown = (CheckpointRef(f"{number:05d}-x", "checkpoint_000000") for number in range(2))
    kept(files, known, unknown)
    assert len(files.tidy({known}, known=1)) == 1
    assert there(folder) == [f"00000-x/checkpoint_000000/{name}" for name in FILES]
    if folder.remote is not None:
        moved = [name for name in folder.remote.below("set-aside").names(deep=True) if "." in name]
    else:
        aside = folder.path / "set-aside"
        moved = sorted(path.relative_to(aside).as_posix() for path in aside.rglob("*") if path.is_file())
    assert moved == [f"00001-x/checkpoint_000000/{name}" for name in FILES]

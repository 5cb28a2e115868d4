"""The files of trials beyond what every kind of place must do: faults of a disk, texts, and names in a bucket."""

import os
from pathlib import Path

import pytest

from orchestrator.store import remote
from orchestrator.store.attempts import CheckpointRef, attempts
from orchestrator.store.checkpoints import SEAL, Owner, owner_of
from orchestrator.store.remote import Remote, StoreLost
from orchestrator.store.store import Store
from orchestrator.store.trial_files import LocalFiles, RemoteFiles, files_at, trial_files
from tests.contract.test_trial_files import kept, save
from tests.orchestrator.object_store import ObjectStore

FIRST = CheckpointRef("00000-x", "checkpoint_000000")
OWNER = Owner("small", 0, "0123", 1)


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    (tmp_path / "trials").mkdir()
    return LocalFiles(tmp_path / "trials")


def test_a_study_s_files_lie_where_its_store_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "cache"))
    assert trial_files(Store(tmp_path).study("small")) == LocalFiles(tmp_path / "studies" / "small" / "trials")
    assert isinstance(files_at(tmp_path, Remote("s3://shelf/trials")), RemoteFiles)


def test_a_checkpoint_that_cannot_be_saved_leaves_nothing_and_the_error_as_it_is(files: LocalFiles) -> None:
    def fail(folder: Path) -> None:
        (folder / "trial.pt").write_text("half")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        files.keep(FIRST, fail)
    assert list(files.trials.rglob("*.pt")) == []
    assert [path.name for path in files.trials.iterdir()] == ["00000-x"]
    assert list((files.trials / "00000-x").iterdir()) == []
    assert not files.is_intact(FIRST)


def test_a_checkpoint_is_sealed_before_it_gets_its_name(files: LocalFiles) -> None:
    seen: list[list[str]] = []

    def watch(folder: Path) -> None:
        save(folder)
        seen.append([path.name for path in files.trials.glob("*/checkpoint_*")])

    files.keep(FIRST, watch, OWNER)
    assert seen == [[]]
    assert owner_of(files.fetch(FIRST)) == OWNER
    assert files.is_intact(FIRST, OWNER, unowned=False)
    assert not files.is_intact(FIRST, Owner("small", 1, "0123", 1))


@pytest.mark.parametrize("linked", ["trials", "00000-x", "checkpoint_000000"])
def test_a_checkpoint_behind_a_link_is_not_intact(files: LocalFiles, linked: str) -> None:
    kept(files, FIRST)
    path = next(path for path in (files.trials, *files.trials.rglob("*")) if path.name == linked)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"), target_is_directory=True)
    assert (files.trials / FIRST.within_trials / SEAL).exists()
    assert not files.is_intact(FIRST)


def test_setting_a_trial_aside_takes_all_its_attempts_and_no_other_trial_s(files: LocalFiles, tmp_path: Path) -> None:
    kept(files, FIRST, CheckpointRef("00000-y", "c"), CheckpointRef("00001-x", "c"), CheckpointRef("000001-x", "c"))
    (files.trials / "00000-link").symlink_to(tmp_path)
    files.set_aside(0)
    assert sorted(path.name for path in (tmp_path / "set-aside").iterdir()) == ["00000-x", "00000-y"]
    assert sorted(path.name for path in files.trials.iterdir()) == ["00000-link", "000001-x", "00001-x"]
    files.set_aside(7)


def test_texts_on_a_disk_are_where_they_were_written(files: LocalFiles) -> None:
    trial = files.trials / "00000-x"
    with files.texts_of(trial):
        (trial / "trial.log").write_text("epoch 1")
    files.fetch_texts(0)
    (attempt,) = attempts(files.trials, 0)
    assert attempt.log == "epoch 1"


def test_texts_of_a_trial_that_fails_reach_another_machine(bucket: str, objects: ObjectStore, tmp_path: Path) -> None:
    place = Remote(f"s3://{bucket}/trials")
    here, there = files_at(tmp_path / "here", place), files_at(tmp_path / "there", place)
    trial = tmp_path / "here" / "00000-x"

    def fail() -> None:
        with here.texts_of(trial):
            (trial / "trial.log").write_text("KeyError: 'x'")
            (trial / "obituary.txt").touch()
            (trial / "scratch.bin").write_bytes(b"x")
            raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        fail()
    assert objects.keys(f"{bucket}/trials") == ["00000-x/trial.log"]
    objects.write(f"{bucket}/trials/00001-x/trial.log", b"another trial's")
    objects.write(f"{bucket}/trials/00000-x/c/trial.log", b"no text of an attempt")
    there.fetch_texts(0)
    assert [path.relative_to(tmp_path / "there").as_posix() for path in (tmp_path / "there").rglob("*.log")] == [
        "00000-x/trial.log"
    ]


def test_in_a_bucket_a_checkpoint_without_a_seal_is_not_intact(
    bucket: str, objects: ObjectStore, tmp_path: Path
) -> None:
    files = files_at(tmp_path, Remote(f"s3://{bucket}/trials"))
    objects.write(f"{bucket}/trials/{FIRST.within_trials}/trial.pt", b"weights")
    assert not files.is_intact(FIRST)
    kept(files, FIRST, owner=OWNER)
    assert files.is_intact(FIRST, OWNER, unowned=False)
    files.set_aside(0)
    assert not files.is_intact(FIRST)
    assert f"00000-x/checkpoint_000000/{SEAL}" in objects.keys(f"{bucket}/set-aside")
    assert os.listdir(tmp_path) == []


def test_a_cluster_whose_machines_do_not_see_the_folder_is_told_so(tmp_path: Path) -> None:
    away = tmp_path / "studies" / "small" / "trials"
    with pytest.raises(StoreLost, match="a cluster needs a store that all its machines see"):
        LocalFiles(away).keep(CheckpointRef("00000-x", "checkpoint_000000"), save)


def test_a_checkpoint_that_cannot_be_kept_is_no_fault_of_its_trial(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "STORE_PATIENCE", 0.0)
    away = Remote(f"s3://{bucket}/trials?endpoint_override=127.0.0.1:1&scheme=http&region=us-east-1")
    with pytest.raises(StoreLost, match="NETWORK_CONNECTION"):
        files_at(tmp_path, away).keep(CheckpointRef("00000-x", "checkpoint_000000"), save)
    assert list(tmp_path.rglob("trial.pt")) == []

"""Ray on this machine: where its files and its token lie, and who may signal it."""

import os
from pathlib import Path

import psutil
import pytest

from orchestrator.execution.local_ray import started, vital_processes_live
from trainables.errors import InvalidValue


def test_ray_starts_without_a_home_in_a_long_folder_that_holds_a_dangling_link_and_in_groups_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    dangling = folder / "espalier-ray-gone"
    dangling.symlink_to(tmp_path / "nowhere")
    monkeypatch.setenv("RAY_TMPDIR", str(folder))
    monkeypatch.setenv("HOME", "/dev/null")
    with started():
        import ray

        assert ray.get(ray.remote(lambda: os.getpid()).remote()) != os.getpid()
        assert vital_processes_live()
        assert list(folder.glob("espalier-ray-*/ray/session_*"))
        processes = psutil.Process().children(recursive=True)
        names = {process.name() for process in processes}
        groups = {os.getpgid(process.pid) for process in processes}
    assert {"gcs_server", "raylet"} <= names
    assert os.getpgrp() not in groups
    assert list(folder.iterdir()) == [dangling]


def test_a_folder_that_is_not_there_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "missing"))
    with pytest.raises(InvalidValue, match=r"RAY_TMPDIR = .*: must be a folder that this user may write to"), started():
        pass


def test_folders_of_killed_drivers_are_swept_and_those_of_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, stranger = tmp_path / "espalier-ray-killed", tmp_path / "espalier-ray-without-lock"
    for folder in (killed, stranger):
        folder.mkdir()
    (killed / "driver.lock").touch()
    (tmp_path / "espalier-ray-link").symlink_to(stranger)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with started():
        assert not killed.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["espalier-ray-link", "espalier-ray-without-lock"]

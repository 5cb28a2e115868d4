"""Ray on this machine: where its files and its token lie, and who may signal it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.execution.local_ray import started
from trainables.errors import InvalidValue

PROGRAM = """
import json, os, sys
from pathlib import Path
import psutil
from orchestrator.execution.local_ray import started, vital_processes_live

with started():
    import ray

    elsewhere = ray.get(ray.remote(lambda: os.getpid()).remote())
    processes = psutil.Process().children(recursive=True)
    print(json.dumps({
        "computes": elsewhere != os.getpid(),
        "lives": vital_processes_live(),
        "sessions": len(list(Path(os.environ["RAY_TMPDIR"]).glob("espalier-ray-*/ray/session_2*"))),
        "names": [process.name() for process in processes],
        "programs": sorted({Path(word).name for process in processes for word in process.cmdline()[:4]}),
        "in_group": [process.name() for process in processes if os.getpgid(process.pid) == os.getpgrp()],
    }))
"""
"""In a process of its own: Ray reads its token once in the life of a process."""


def test_ray_starts_without_a_home_in_a_long_folder_that_holds_a_dangling_link_and_in_groups_of_its_own(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    dangling = folder / "espalier-ray-gone"
    dangling.symlink_to(tmp_path / "nowhere")
    environment = {**os.environ, "RAY_TMPDIR": str(folder), "HOME": "/dev/null"}
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout.splitlines()[-1])
    assert {"gcs_server", "raylet"} <= set(seen.pop("names"))
    assert not {"monitor.py", "log_monitor.py", "dashboard.py"} & set(seen.pop("programs"))
    assert seen == {"computes": True, "lives": True, "sessions": 1, "in_group": []}
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

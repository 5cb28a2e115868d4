"""A real study on this machine: who could reach it while it runs, and what it leaves of the secrets it was given."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.orchestrator import small

SECRETS = {
    "PGPASSWORD": "canary-of-postgresql",
    "MLFLOW_TRACKING_PASSWORD": "canary-of-mlflow",
    "AWS_SECRET_ACCESS_KEY": "canary-of-aws",
    "AWS_SESSION_TOKEN": "canary-of-the-session",
}


@dataclass(frozen=True)
class Watched:
    """What a study left, and where its processes listened and with which words they were started meanwhile."""

    store: Path
    token: Path
    secrets: tuple[str, ...]
    said: str
    listening: frozenset[tuple[str, str]]
    commands: frozenset[str]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    folder = tmp_path_factory.mktemp("watched")
    spec = small.study(
        trials=2,
        epochs=2,
        resources={"cpus": 0.5, "workers": 2, "parallel": 1},
        data={"name": "digits", "subset": 200},
        model={"name": "mlp"},
        paradigms={"dense": {}, "magnitude": {**small.FIXED, "sparsity": 0.5}},
        tracking="store",
    )
    (folder / "study.yaml").write_text(spec.as_yaml(), encoding="utf-8")
    command = [sys.executable, "-c", "from orchestrator.cli import main; main()", "launch", "study.yaml"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**inherited, **SECRETS, "HOME": str(folder / "home")}
    (folder / "home").mkdir()
    with (folder / "said").open("w") as said:
        driver = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said, env=environment)
    listening: set[tuple[str, str]] = set()
    commands: set[str] = set()
    try:
        while driver.poll() is None:
            for process in _family(driver.pid):
                listening |= _listening(process)
                commands.add(_command(process))
            time.sleep(1)
    finally:
        driver.kill()
        driver.wait()
    text = (folder / "said").read_text()
    assert driver.returncode == 0, text
    token = folder / "home/.ray/auth_token"
    known = (*SECRETS.values(), token.read_text())
    return Watched(folder / "espalier-store", token, known, text, frozenset(listening), frozenset(commands))


def _family(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _listening(process: psutil.Process) -> set[tuple[str, str]]:
    """Return the addresses at which a process takes connections or datagrams, and its name."""
    try:
        sockets, name = process.net_connections(kind="inet"), process.name()
    except psutil.Error:
        return set()
    return {(name, one.laddr.ip) for one in sockets if one.laddr and not one.raddr}


def _is_loopback(where: str) -> bool:
    address = ip_address(where)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_nothing_of_a_study_on_this_machine_listens_to_anybody_else(study: Watched) -> None:
    names = {name for name, _ in study.listening}
    assert {"gcs_server", "raylet"} <= names
    strangers_reach = {(name, where) for name, where in study.listening if not _is_loopback(where)}
    assert strangers_reach == set()


def test_no_secret_reaches_what_a_study_leaves(study: Watched) -> None:
    left = [path for path in study.store.rglob("*") if path.is_file()]
    assert {"mlflow.db", "trials.parquet", "journal.log", "stamp.json", "report.html"} <= {path.name for path in left}
    for path in left:
        content = path.read_bytes() + (
            str(pq.read_table(path).to_pylist()).encode() if path.suffix == ".parquet" else b""
        )
        assert [secret for secret in study.secrets if secret.encode() in content] == [], path


def test_no_secret_is_said_or_stands_in_a_command(study: Watched) -> None:
    assert any("gcs_server" in command for command in study.commands)
    for text in (study.said, *study.commands):
        assert [secret for secret in study.secrets if secret in text] == []


def test_nobody_else_can_read_the_token(study: Watched) -> None:
    assert study.token.stat().st_mode & 0o077 == 0
    assert len(study.token.read_text()) == 64

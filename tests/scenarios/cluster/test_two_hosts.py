"""A cluster of two hosts that wants a token: who may use it, and what a study makes of it."""

import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from tests.fixtures import SEVERAL_NODES
from tests.orchestrator import small
from tests.scenarios.cluster.hosts import Host, two_hosts

pytestmark = SEVERAL_NODES

PORT = 6379
TOKEN = ".ray/auth_token"
ESPALIER = """
from orchestrator import cli, study
study.launch.__kwdefaults__["run"] = "tests.orchestrator.runs:located"
cli.main()
"""
"""The command line, with trials that train nothing and say where they ran."""

OTHER_SOFTWARE = """
from orchestrator.execution import software
software._release = lambda package: "0.0"
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Host, Host]]:
    """A head with one CPU, and a worker with another."""
    token = secrets.token_hex(16)
    with two_hosts() as (head, worker):
        for host in (head, worker):
            write(host.home / TOKEN, token)
        start(head, "--head", f"--port={PORT}", "--include-dashboard=false")
        start(worker, f"--address={head.address}:{PORT}")
        yield head, worker


def start(host: Host, *how: str) -> None:
    """Start Ray on a host."""
    own = [f"--node-ip-address={host.address}", f"--temp-dir={host.home}/ray", "--num-cpus=1"]
    started = host.run("ray", "start", *how, *own, "--object-store-memory=100000000", RAY_AUTH_MODE="token")
    assert started.returncode == 0, started.stdout + started.stderr


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def launch(
    host: Host,
    spec: StudySpec,
    folder: Path,
    *more: str,
    program: str = ESPALIER,
    inside: tuple[str, ...] = (),
    **environment: str,
) -> tuple[int, str]:
    """Launch a study on a host, with the store in `folder`; return its exit status and what it said."""
    file = folder / "study.yaml"
    file.write_text(spec.as_yaml(), encoding="utf-8")
    words = ["launch", str(file), "--store", str(folder / "store"), "--quiet", *more]
    ended = host.run(*inside, sys.executable, "-c", program, *words, **environment)
    return ended.returncode, ended.stderr + ended.stdout


def assert_refused(answer: tuple[int, str], folder: Path, said: str) -> None:
    """Check that a launch was refused in words, and left nothing."""
    status, words = answer
    assert status == 2, words
    assert said in words
    assert "Traceback" not in words
    assert not (folder / "store").exists()


def test_a_study_uses_the_processors_of_both_hosts(cluster: tuple[Host, Host], tmp_path: Path) -> None:
    head, worker = cluster
    status, said = launch(head, small.study(trials=6), tmp_path, "--address", f"{head.address}:{PORT}")
    assert status == 0, said
    store = Store(tmp_path / "store")
    assert [record.state for record in ledger.read(store.study("small"))] == [State.COMPLETE] * 6
    assert {path.name for path in store.data.iterdir() if "." not in path.name} == {head.name, worker.name}
    assert socket.gethostname() not in (head.name, worker.name)


@pytest.mark.parametrize(
    ("stranger", "said"),
    [
        ({}, "there is none here"),
        ({"RAY_AUTH_TOKEN": "0" * 32}, "refuses the one that is here"),
        ({"RAY_AUTH_MODE": "disabled"}, "RAY_AUTH_MODE is disabled here"),
    ],
)
def test_nobody_without_the_token_runs_anything(
    cluster: tuple[Host, Host], tmp_path: Path, stranger: dict[str, str], said: str
) -> None:
    head, _ = cluster
    elsewhere: dict[str, Any] = {"HOME": str(tmp_path / "home"), **stranger}
    answer = launch(head, small.study(), tmp_path, "--address", f"{head.address}:{PORT}", **elsewhere)
    assert_refused(answer, tmp_path, f"wants a token, and {said}")


def test_a_machine_that_is_no_node_of_the_cluster_is_told_so(cluster: tuple[Host, Host], tmp_path: Path) -> None:
    head, _ = cluster
    unseen = ("unshare", "--pid", "--fork", "--mount-proc")
    answer = launch(head, small.study(), tmp_path, "--address", f"{head.address}:{PORT}", inside=unseen)
    assert_refused(answer, tmp_path, "does not have this machine among its nodes")


def test_a_trial_that_is_larger_than_any_node_is_refused(cluster: tuple[Host, Host], tmp_path: Path) -> None:
    head, _ = cluster
    spec = small.study(resources={"cpus": 2})
    answer = launch(head, spec, tmp_path, RAY_ADDRESS=f"{head.address}:{PORT}")
    assert_refused(answer, tmp_path, "must fit, each worker on one node")


def test_a_node_with_other_software_is_named(cluster: tuple[Host, Host], tmp_path: Path) -> None:
    head, _ = cluster
    answer = launch(head, small.study(), tmp_path, "--address", "auto", program=OTHER_SOFTWARE + ESPALIER)
    assert_refused(answer, tmp_path, "has a node, 10.213.77.")

"""The Ray of a study: which one it is, and what is left as it was."""

import logging
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from orchestrator.execution import cluster
from orchestrator.execution.capacity import may_grow
from orchestrator.execution.cluster import NodeLost, RaySession, check, ray_session
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.study_spec import Resources
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import Silence, ledger_of, study
from trainables.errors import InvalidValue


@pytest.mark.parametrize(
    ("address", "environment", "found"),
    [
        (None, None, None),
        (None, "a:1", "a:1"),
        ("b:2", "a:1", "b:2"),
        ("local", "a:1", None),
        (None, "local", None),
        (None, "", None),
    ],
)
def test_an_address_that_is_typed_is_stronger_than_the_environment(
    monkeypatch: pytest.MonkeyPatch, address: str | None, environment: str | None, found: str | None
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if environment is not None:
        monkeypatch.setenv("RAY_ADDRESS", environment)
    assert cluster.named(address) == found


def test_trials_may_wait_for_nodes_of_a_cluster_that_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster, "connected", lambda *_: nullcontext())
    resources = Resources(parallel=2)
    with cluster.ray_session(tmp_path / "log", "a:1"):
        assert may_grow(resources)
    assert not may_grow(resources)


def test_the_named_cluster_is_in_the_environment_for_the_block_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "connected", lambda *_: nullcontext())
    monkeypatch.setenv("RAY_ADDRESS", "other:1")
    before = dict(os.environ)
    with cluster.ray_session(tmp_path / "log", "a:1"):
        assert os.environ["RAY_ADDRESS"] == "a:1"
        assert cluster.SWITCHES.items() <= os.environ.items()
    assert dict(os.environ) == before


def test_the_environment_is_as_it_was_also_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = dict(os.environ)
    with pytest.raises(InvalidValue, match="address"), cluster.ray_session(tmp_path / "log", "nonsense"):
        raise AssertionError("there is no such cluster")
    assert dict(os.environ) == before


def test_a_session_is_opened_once_and_again_after_it_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, Sequence[str]]] = []

    def connected(address: str, _: object, referred: Sequence[str]) -> nullcontext[None]:
        opened.append((address, referred))
        return nullcontext()

    monkeypatch.setattr(cluster, "connected", connected)
    said: list[str] = []
    with RaySession("a:1", ["nets"], said.append) as session:
        session.open(tmp_path / "log")
        session.open(tmp_path / "log")
        assert opened == [("a:1", ["nets"])]
        session.close()
        session.open(tmp_path / "log")
        assert opened == [("a:1", ["nets"])] * 2
        assert said == ["connecting to the Ray cluster at a:1; this takes some seconds", ""] * 2
        assert os.environ["RAY_ADDRESS"] == "a:1"
    assert os.environ.get("RAY_ADDRESS") != "a:1"


def test_workers_that_ray_has_ready_run_the_first_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    spec = study(trials=os.cpu_count() or 1)
    with ray_session(tmp_path / "log", ready=True), ledger_of(spec, tmp_path) as ledger:
        ready = _waiting_workers(os.cpu_count() or 1)
        _run(ledger, tmp_path, "brief")
        ran = {int(record.metrics["process"]) for record in ledger.records()}
    assert ran <= ready


def _waiting_workers(count: int) -> set[int]:
    """Return the processes of Ray's workers on this machine once there are `count` that have nothing to do."""
    ready: set[int] = set()
    deadline = time.monotonic() + 300
    while len(ready) < count:
        assert time.monotonic() < deadline, "Ray has started no workers in advance"
        time.sleep(0.2)
        children = psutil.Process().children(recursive=True)
        ready = {child.pid for child in children if "ray::IDLE" in " ".join(child.cmdline())}
    return ready


def _run(ledger: Ledger, folder: Path, run: str) -> None:
    from orchestrator.execution.tune_run import run_trials  # imports Ray, after its switches are set

    (folder / "cache").mkdir()
    assert not run_trials(Sweep(ledger, Silence()), folder / "cache", f"tests.orchestrator.runs:{run}")


def test_ray_logs_into_the_file_of_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "connected", lambda *_: nullcontext())
    with cluster.ray_session(tmp_path / "log", "a:1"):
        logging.getLogger("ray.somewhere").warning("a node is slow")
    assert "a node is slow" in (tmp_path / "log").read_text()


def test_without_a_named_cluster_there_is_nothing_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    check(Resources(cpus=10_000), None)
    with pytest.raises(InvalidValue, match="address = 'nonsense'"):
        check(Resources(), "nonsense")


def test_a_dead_ray_names_the_log(tmp_path: Path) -> None:
    assert str(NodeLost(tmp_path / "study.log")) == (
        "Ray has died on this machine before any trial had reported, again and again; "
        f"{tmp_path / 'study.log'} may say why"
    )

"""A cluster that is not there, or is none: refused before anything is written, saying what to change."""

import socket
from contextlib import nullcontext
from pathlib import Path

import pytest
from ray.util import get_node_ip_address

from orchestrator.execution import cluster, software
from orchestrator.execution.capacity import may_grow
from orchestrator.spec.study_spec import Resources
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, espalier_in


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense", "must be HOST:PORT or auto"),
        ("127.0.0.1:80", "must be HOST:PORT or auto (Invalid address port 80"),
        ("ray://127.0.0.1:10001", "on a node of the cluster; from elsewhere, `ray job submit`"),
        ("127.0.0.1:1025", "does not answer ([Errno 111] Connection refused; at most 10 s were given)"),
        ("no-such-host.invalid:6379", "does not answer"),
    ],
)
@pytest.mark.parametrize("verb", ["launch", "plan"])
def test_an_address_without_a_cluster_is_refused(
    espalier: Espalier, tmp_path: Path, verb: str, address: str, said: str
) -> None:
    (tmp_path / "study.yaml").write_text(small.study().as_yaml(), encoding="utf-8")
    status, out, err = espalier(verb, "study.yaml", "--address", address)
    assert (status, out) == (2, "")
    assert f"address = '{address}': " in err
    assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_somebody_who_listens_and_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study.yaml").write_text(small.study().as_yaml(), encoding="utf-8")
    monkeypatch.setenv("RAY_py_gcs_connect_timeout_s", "1")
    own = get_node_ip_address()  # Ray looks for 127.0.0.1 there
    with socket.create_server((own, 0)) as mute:
        address = f"{own}:{mute.getsockname()[1]}"
        ended = espalier_in(tmp_path, "launch", "study.yaml", "--address", address)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"address = '{address}': is not a healthy Ray head node" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


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


def test_builds_for_other_hardware_are_the_same_software(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "version", lambda _: "2.13.0+cu130")
    there = software.software()
    monkeypatch.setattr(software, "version", lambda _: "2.13.0")
    assert {name: there[name] for name in software.PACKAGES} == dict.fromkeys(software.PACKAGES, "2.13.0")
    assert software.software().keys() == there.keys()

"""A cluster that is not there, or is none: refused before anything is written, saying what to change."""

import socket
from pathlib import Path

import pytest
from ray.util import get_node_ip_address

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
    progress = f"connecting to the Ray cluster at {address}; this takes some seconds\n" if verb == "launch" else ""
    assert (status, out) == (2, progress)
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
    progress = f"connecting to the Ray cluster at {address}; this takes some seconds\n"
    assert (ended.returncode, ended.stdout) == (2, progress)
    assert f"address = '{address}': is not a healthy Ray head node" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]

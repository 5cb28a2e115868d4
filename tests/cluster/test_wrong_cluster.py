"""A cluster that is not there, or is none: refused before anything is written, saying what to change."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator import small
from tests.orchestrator.commands import Espalier


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this machine where somebody listens who says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        yield mute.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "must be HOST:PORT or auto (Invalid address port 1."),
        ("127.0.0.1:1025", "does not answer ([Errno 111] Connection refused; at most 10 s were given)"),
        ("no-such-host.invalid:6379", "does not answer"),
        ("nonsense", "must be HOST:PORT or auto"),
        ("ray://127.0.0.1:10001", "`ray job submit`"),
    ],
)
@pytest.mark.parametrize("verb", ["launch", "plan"])
def test_an_address_without_a_cluster_is_refused(
    espalier: Espalier, tmp_path: Path, verb: str, address: str, said: str
) -> None:
    (tmp_path / "study.yaml").write_text(small.study().as_yaml(), encoding="utf-8")
    status, out, err = espalier(verb, "study.yaml", "--address", address, *(["--no-probe"] if verb == "plan" else []))
    assert (status, out) == (2, "")
    assert f"address = '{address}': " in err
    assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.yaml"]

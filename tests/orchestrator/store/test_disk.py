"""A full disk is recognised in whatever form its error arrives, and nothing else is taken for one."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
import torch

from orchestrator.store.disk import FULL, DiskFull, chain, is_full


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    """Return an error as it is caught, raised because of another one."""
    error.__cause__ = cause
    return error


def during(error: Exception, other: Exception) -> Exception:
    """Return an error as it is caught, raised while another one was handled."""
    error.__context__ = other
    return error


@pytest.mark.parametrize("number", FULL)
def test_a_full_disk_is_known_by_its_number_however_deep_it_lies(number: int) -> None:
    full = OSError(number, "?")
    assert is_full(full)
    assert is_full(raised(RuntimeError("cannot save"), full))
    assert is_full(during(KeyError("x"), during(ValueError("y"), full)))
    assert not is_full(raised(RuntimeError("cannot save")))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOENT, errno.EMFILE, errno.ENOMEM])
def test_other_errors_of_the_system_are_no_full_disk(number: int) -> None:
    assert not is_full(OSError(number, "No space left on device"))


@pytest.mark.parametrize("number", FULL)
def test_a_full_disk_is_known_by_its_words_where_the_number_is_lost(number: int) -> None:
    assert is_full(RuntimeError(f"worker died: OSError: [Errno {number}] {os.strerror(number)}: '/store/x'"))
    assert is_full(OSError(os.strerror(number)))


def test_a_suppressed_error_does_not_count() -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    hidden = during(KeyError("x"), full)
    hidden.__suppress_context__ = True
    assert not is_full(hidden)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device on this system")
def test_what_torch_says_of_a_full_disk_is_understood_and_of_a_forbidden_place_too(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r".") as full:
        torch.save(torch.zeros(100_000), "/dev/full")
    assert is_full(full.value)
    with pytest.raises(Exception, match=r".") as absent:
        torch.save(torch.zeros(1), tmp_path / "nowhere" / "x.pt")
    assert not is_full(absent.value)
    assert not is_full(RuntimeError("PytorchStreamWriter failed writing file: Permission denied"))


def test_what_processes_of_a_group_lose_is_no_full_disk() -> None:
    lost = type("DistNetworkError", (RuntimeError,), {"__module__": "torch.distributed"})
    assert not is_full(lost("iostream error"))
    assert is_full(RuntimeError("iostream error"))


def test_a_chain_of_errors_is_followed_once_even_if_it_is_a_circle() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    assert list(chain(first)) == [first, second]
    assert list(chain(None)) == []
    assert not is_full(first)


def test_the_error_says_how_much_room_there_is_and_how_to_continue(tmp_path: Path) -> None:
    error = DiskFull("small", tmp_path, "No space left on device", command="espalier resume small")
    assert str(error).startswith("study 'small' has stopped, because it cannot be written: ")
    assert "All results so far are kept; make room there, then continue by `espalier resume small`" in str(error)
    assert str(error).endswith("(No space left on device)")
    assert f"free at {tmp_path}" in str(error) or f"free at {tempfile.gettempdir()}" in str(error)
    assert error.exit_status == 1

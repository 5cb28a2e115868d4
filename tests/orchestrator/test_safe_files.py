"""Files of a store are opened where they lie, never through a link, and replaced as a whole or not at all."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.safe_files import open_file, require_plain, write_whole
from trainables.errors import InvalidValue

REFUSED = "must be a plain file or folder of the store, no link"


def link(path: Path) -> None:
    path.with_name("target").write_bytes(b"precious")
    path.symlink_to(path.with_name("target"))


def dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def link_to_folder(path: Path) -> None:
    path.symlink_to(path.parent, target_is_directory=True)


def listening_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # such a path may have about a hundred bytes
        server.bind(path.name)
        os.chdir(here)


FOREIGN: list[Callable[[Path], None]] = [link, dangling_link, link_to_folder, os.mkfifo, listening_socket]
"""What a plain file of a store is replaced by."""


@pytest.mark.parametrize("make", FOREIGN)
def test_a_path_that_is_neither_a_file_nor_a_folder_is_refused_by_name(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    (tmp_path / "journal.log").touch()
    (tmp_path / "trials").mkdir()
    plain = [tmp_path, tmp_path / "journal.log", tmp_path / "trials", tmp_path / "not there"]
    require_plain(plain)
    make(tmp_path / "study.yaml")
    with pytest.raises(InvalidValue, match=REFUSED) as refused:
        require_plain([*plain, tmp_path / "study.yaml"])
    assert (refused.value.key, refused.value.value) == ("store", str(tmp_path / "study.yaml"))


@pytest.mark.parametrize("make", [*FOREIGN, Path.mkdir])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT | os.O_APPEND])
def test_only_a_plain_file_is_opened_and_nothing_is_waited_for(
    make: Callable[[Path], None], flags: int, tmp_path: Path
) -> None:
    make(tmp_path / "file")
    with pytest.raises(InvalidValue, match=REFUSED) as refused:
        open_file(tmp_path / "file", flags)
    assert refused.value.value == str(tmp_path / "file")
    assert not (tmp_path / "nowhere").exists()


def test_refusing_a_folder_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(InvalidValue):
            open_file(tmp_path, os.O_RDONLY)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_missing_file_is_made_only_if_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "file", os.O_RDONLY)
    os.close(open_file(tmp_path / "file", os.O_WRONLY | os.O_CREAT))
    assert (tmp_path / "file").read_bytes() == b""


def test_a_descriptor_is_not_inherited_by_programs_that_are_started(tmp_path: Path) -> None:
    descriptor = open_file(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


@settings(max_examples=30)
@given(contents=st.lists(st.binary(max_size=50), min_size=1, max_size=4), sync=st.booleans())
def test_the_last_content_written_is_all_that_is_there(contents: list[bytes], sync: bool) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "witness.json"
        for content in contents:
            write_whole(path, content, sync=sync)
            assert path.read_bytes() == content
        assert list(Path(folder).iterdir()) == [path]


@pytest.mark.parametrize("make", [link, dangling_link, os.mkfifo])
def test_a_link_is_replaced_and_its_target_left_alone(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "witness.json"
    make(path)
    write_whole(path, b"new")
    assert (path.is_symlink(), path.read_bytes()) == (False, b"new")
    assert not (tmp_path / "nowhere").exists()
    assert make is not link or (tmp_path / "target").read_bytes() == b"precious"


@pytest.mark.parametrize("make", [link, dangling_link, Path.touch])
def test_a_draft_left_by_a_killed_process_or_planted_as_a_link_is_not_written_through(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / ".stamp.json.new")
    write_whole(tmp_path / "stamp.json", b"new")
    assert (tmp_path / "stamp.json").read_bytes() == b"new"
    assert not (tmp_path / ".stamp.json.new").is_symlink()
    assert not (tmp_path / "nowhere").exists()
    assert make is not link or (tmp_path / "target").read_bytes() == b"precious"


def test_a_write_that_fails_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "stamp.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_whole(path, "text, not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"


def test_a_reader_never_sees_a_part_of_a_file_that_is_replaced(tmp_path: Path) -> None:
    path, contents = tmp_path / "study.yaml", [bytes([letter]) * 5000 for letter in b"ab"]
    path.write_bytes(contents[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for content in contents * 50:
        write_whole(path, content, sync=False)
    done.set()
    reader.join()
    assert seen <= set(contents)

"""A folder in an object storage, through pyarrow's file systems, which are imported when they are needed.

An object is there as a whole or not at all. What a storage refuses is raised as StoreLost, at once: callers that can
wait ask again by `patiently`. What the disk of this machine refuses is raised as InvalidValue.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

from orchestrator.store.disk import is_full
from orchestrator.store.store_url import CREDENTIALS, KEY
from trainables.errors import InvalidValue, StudyStopped

logger = logging.getLogger(__name__)

STORE_PATIENCE: Final = 120.0
"""Seconds for which a storage that went away is tried again, beside what its own client does."""

PAUSE: Final = 2.0
"""Seconds between two such attempts."""

AT_ONCE: Final = 8
"""How many deletions are under way at a time: each is a matter of waiting for the storage."""

BLOCK: Final = 8 * 2**20
"""Bytes that are sent at once."""

DRAFTS: Final = ".uploading"
"""The folder in which an object lies until it is whole."""

LARGEST_MOVE: Final = 5 * 2**30
"""Bytes that S3 can copy in one request. No file but a checkpoint's is larger, and those have seals."""

CACHE: Final = "ESPALIER_CACHE"
"""The environment variable that names the folder of mirrors."""

T = TypeVar("T")


class StoreLost(StudyStopped):
    """A store cannot be read or written any more. What is there stays there."""


@dataclass(frozen=True)
class Remote:
    """A folder in an object storage. Names of what is in it have slashes; nothing in them is a secret."""

    url: str

    def below(self, name: str) -> "Remote":
        """Return the folder of this name."""
        parts = urlsplit(self.url)
        return Remote(parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl())

    @property
    def parent(self) -> "Remote":
        """The folder in which this one lies."""
        parts = urlsplit(self.url)
        return Remote(parts._replace(path=str(PurePosixPath(parts.path).parent)).geturl())

    @property
    def explicit(self) -> "Remote":
        """The same, with what this process learns of the endpoint from its environment and others may not."""
        parts = urlsplit(self.url)
        given, environment = dict(parse_qsl(parts.query)), os.environ.get
        endpoint = environment("AWS_ENDPOINT_URL_S3") or environment("AWS_ENDPOINT_URL")
        if parts.scheme != "s3" or not endpoint or "endpoint_override" in given:
            return self
        region = environment("AWS_REGION") or environment("AWS_DEFAULT_REGION") or "us-east-1"
        return Remote(
            parts._replace(query=urlencode({"endpoint_override": endpoint, "region": region, **given})).geturl()
        )

    def push(self, path: Path, name: str) -> None:
        """Copy a file there, in one piece: whatever interrupts it leaves the object of before.

        Raises StoreLost, and InvalidValue if the file here cannot be read.
        """
        if _size_here(path) > LARGEST_MOVE:
            self.add(path, name)
            return
        files, place = self._open()
        draft = f"{place}/{DRAFTS}/{uuid4().hex}"
        try:
            self.add(path, draft.removeprefix(f"{place}/"))
            with _explained(self.url):
                files.move(draft, f"{place}/{name}")
        except BaseException:
            with suppress(OSError):
                files.delete_file(draft)
            raise

    def add(self, path: Path, name: str) -> None:
        """Copy a file to a name that nobody reads yet: if interrupted, the object is a part of the file.

        Leaving pyarrow's stream by an exception publishes what was written. Raises StoreLost, and InvalidValue if the
        file here cannot be read.
        """
        files, place = self._open()
        with _of_this_machine(path):
            source = path.open("rb")
        with source, ExitStack() as closing:
            first = _read_here(source, path)  # before anything is opened there
            with _explained(self.url):
                there = files.open_output_stream(f"{place}/{name}")
            closing.callback(self._close, there)
            for block in chain([first], iter(partial(_read_here, source, path), b"")):
                with _explained(self.url):
                    there.write(block)

    def pull(self, name: str, into: Path) -> bool:
        """Copy a file from there, whole or not at all; return whether there is one.

        Raises StoreLost, and InvalidValue if it cannot be written here.
        """
        files, place = self._open()
        with _explained(self.url):
            try:
                source = files.open_input_stream(f"{place}/{name}")
            except FileNotFoundError:
                return False
        with source, _of_this_machine(into):
            into.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f".{into.name}.", dir=into.parent) as draft:
                with (Path(draft) / into.name).open("wb") as here:
                    while block := self._read_there(source):
                        here.write(block)
                (Path(draft) / into.name).replace(into)
        return True

    def sizes(self, names: Sequence[str]) -> list[int | None]:
        """Return how many bytes files have; None for those that are not there. Raises StoreLost."""
        files, place = self._open()
        with _explained(self.url):
            return [found.size for found in files.get_file_info([f"{place}/{name}" for name in names])]

    def pull_folder(self, name: str, into: Path) -> None:
        """Copy all that lies in a folder, which may be nothing, into one that exists; raises as `pull` does."""
        from pyarrow.fs import FileSelector

        files, place = self._open()
        with _explained(self.url):
            selector = FileSelector(f"{place}/{name}", recursive=True, allow_not_found=True)
            within = [one.path.removeprefix(f"{place}/") for one in files.get_file_info(selector) if one.is_file]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pulling") as pulling:
            list(pulling.map(lambda file: self.pull(file, into / file.removeprefix(f"{name}/")), within))

    def names(self, below: str = "", *, deep: bool = False) -> list[str]:
        """Return the files and folders in a folder, or at any depth below it; raises StoreLost."""
        from pyarrow.fs import FileSelector

        files, place = self._open()
        with _explained(self.url):
            selector = FileSelector(f"{place}/{below}".rstrip("/"), recursive=deep, allow_not_found=True)
            found = files.get_file_info(selector)
        return sorted(one.path.removeprefix(f"{place}/") for one in found)

    def move_beside(self, folder: str, aside: str) -> None:
        """Move all that lies in a folder into `aside`, a folder beside this one; raises StoreLost."""
        from pyarrow.fs import FileSelector

        files, place = self._open()
        with _explained(self.url):
            found = files.get_file_info(FileSelector(f"{place}/{folder}", recursive=True, allow_not_found=True))
            beside = f"{PurePosixPath(place).parent}/{aside}"
            for one in found:
                if one.is_file:
                    files.move(one.path, f"{beside}/{one.path.removeprefix(f'{place}/')}")

    def delete_soon(self, folder: str) -> "Future[None]":
        """Delete a folder with all that is in it, while others go on; what cannot be deleted stays."""
        return _deleting().submit(partial(self._delete, folder))

    def check(self) -> None:
        """Raise InvalidValue unless files can be written, listed, read and deleted there."""
        probe = f".probe-{uuid4().hex}"
        try:
            with _explained(self.url):
                files, place = self._open()
                with files.open_output_stream(f"{place}/{probe}/written") as there:
                    there.write(b"This file may be deleted.")
                (found,) = self.names(probe)
                with files.open_input_stream(f"{place}/{found}") as there:
                    there.read()
                files.delete_dir(f"{place}/{probe}")
        except StoreLost as refused:
            raise InvalidValue(KEY, self.url, str(refused).removeprefix(f"{self.url} ")) from None

    def _open(self) -> tuple[Any, str]:
        """Return the file system and the path in it."""
        parts = urlsplit(self.explicit.url)
        single = "allow_delayed_open=true" if parts.scheme == "s3" else ""  # a small file is sent by one request
        query = "&".join(filter(None, [parts.query, single]))
        bucket = parts.netloc.rpartition("@")[2]
        try:
            with _explained(self.url):
                return _file_system(parts._replace(path="", query=query).geturl()), f"{bucket}{parts.path}".rstrip("/")
        except ValueError as trouble:
            raise InvalidValue(KEY, self.url, f"cannot be understood: {_said(trouble)}") from None

    def _read_there(self, source: Any) -> bytes:
        with _explained(self.url):
            block: bytes = source.read(BLOCK)
            return block

    def _close(self, there: Any) -> None:
        with _explained(self.url):
            there.close()

    def _delete(self, folder: str) -> None:
        files, place = self._open()
        with suppress(OSError):
            files.delete_dir(f"{place}/{folder}")


def patiently(work: Callable[[], T]) -> T:
    """Return what `work` returns; where the storage is away try it again, for STORE_PATIENCE; then raise StoreLost."""
    until, told = time.monotonic() + STORE_PATIENCE, False
    while True:
        try:
            return work()
        except StoreLost as lost:
            if time.monotonic() >= until:
                raise
            if not told:
                logger.warning("tried again for %g s: %s", STORE_PATIENCE, lost)
                told = True
            time.sleep(PAUSE)


@cache
def _file_system(url: str) -> Any:
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(url)[0]


@cache
def _deleting() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deleting")


@contextmanager
def _of_this_machine(path: Path) -> Iterator[None]:
    """Raise what the disk here refuses as InvalidValue: it is no fault of the storage. A full one is left to others."""
    try:
        yield
    except OSError as trouble:
        if is_full(trouble):
            raise
        said = f"cannot be used on this machine: {trouble.strerror or trouble}"
        allowed = f"{said}; {CACHE} names the folder for copies of a bucket's files"
        raise InvalidValue("file", str(path), allowed) from trouble


def _read_here(source: BinaryIO, path: Path) -> bytes:
    with _of_this_machine(path):
        return source.read(BLOCK)


def _size_here(path: Path) -> int:
    with _of_this_machine(path):
        return path.stat().st_size


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Raise what the storage refuses as StoreLost, but not what the disk here refuses."""
    try:
        yield
    except OSError as trouble:
        if is_full(trouble):
            raise
        raise StoreLost(f"{url} cannot be used: {_said(trouble)} ({_advice(url)})") from trouble


def _advice(url: str) -> str:
    scheme = urlsplit(url).scheme
    endpoint = ", AWS_REGION, AWS_ENDPOINT_URL" if scheme == "s3" else ""
    may = "they must allow to list, read, write and delete"
    return f"check the bucket{endpoint} and the credentials, {CREDENTIALS[scheme]}; {may}"


def _said(trouble: Exception) -> str:
    """Return a message in one line, without the number that the storage gave the request."""
    return re.sub(r" *\(Request ID: [^)]*\)", "", " ".join(str(trouble).split()))

"""A folder in an object storage, through pyarrow's file systems, which are imported when they are needed.

An object is there as a whole or not at all. What a storage refuses is raised as StoreLost, at once: whoever can wait
asks again by `patiently`.
"""

import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar
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
        """Copy a file there; raises StoreLost."""
        files, place = self._open()
        with _explained(self.url), path.open("rb") as source, files.open_output_stream(f"{place}/{name}") as there:
            shutil.copyfileobj(source, there, BLOCK)

    def pull(self, name: str, into: Path) -> bool:
        """Copy a file from there, whole or not at all; say whether there is one. Raises StoreLost."""
        files, place = self._open()
        with _explained(self.url):
            try:
                source = files.open_input_stream(f"{place}/{name}")
            except FileNotFoundError:
                return False
            into.parent.mkdir(parents=True, exist_ok=True)
            with source, TemporaryDirectory(prefix=f".{into.name}.", dir=into.parent) as draft:
                with (Path(draft) / into.name).open("wb") as here:
                    shutil.copyfileobj(source, here, BLOCK)
                (Path(draft) / into.name).replace(into)
        return True

    def sizes(self, names: Sequence[str]) -> list[int | None]:
        """Return how many bytes files have; None for those that are not there. Raises StoreLost."""
        files, place = self._open()
        with _explained(self.url):
            return [found.size for found in files.get_file_info([f"{place}/{name}" for name in names])]

    def pull_folder(self, name: str, into: Path) -> None:
        """Copy all that lies in a folder, which may be nothing, into one that exists; raises StoreLost."""
        from pyarrow.fs import copy_files

        files, place = self._open()
        with _explained(self.url):
            if self.names(name):
                copy_files(f"{place}/{name}", str(into), source_filesystem=files)

    def names(self, below: str = "", *, deep: bool = False) -> list[str]:
        """Return the files and folders in a folder, or at any depth below it; raises StoreLost."""
        from pyarrow.fs import FileSelector

        files, place = self._open()
        with _explained(self.url):
            selector = FileSelector(f"{place}/{below}".rstrip("/"), recursive=deep, allow_not_found=True)
            found = files.get_file_info(selector)
        return sorted(one.path.removeprefix(f"{place}/") for one in found)

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

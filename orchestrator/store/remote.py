"""A folder in an object storage, through pyarrow's file systems, which are imported when needed.

An object exists as a whole or not at all. Errors of the storage are raised as StoreLost, at once: callers that can wait
retry by `patiently`. Errors of this machine's disk are raised as InvalidValue.
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
"""Seconds during which a lost storage is tried again, in addition to what its own client does."""

PAUSE: Final = 2.0
"""Seconds between two such attempts."""

AT_ONCE: Final = 8
"""How many deletions or downloads run at a time: each mostly waits for the storage."""

BLOCK: Final = 8 * 2**20
"""Bytes sent at once."""

DRAFTS: Final = ".uploading"
"""The folder of an object until it is complete."""

LARGEST_MOVE: Final = 5 * 2**30
"""Bytes that S3 can copy in one request. Only files of checkpoints can be larger, and those have seals."""

CACHE: Final = "ESPALIER_CACHE"
"""The environment variable that names the folder of mirrors."""

T = TypeVar("T")


class StoreLost(StudyStopped):
    """A store can no longer be read or written. What it holds is kept."""


@dataclass(frozen=True)
class Remote:
    """A folder in an object storage. Names in it have slashes; neither they nor the URL hold a secret."""

    url: str

    def below(self, name: str) -> "Remote":
        """Return the folder of this name."""
        parts = urlsplit(self.url)
        return Remote(parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl())

    @property
    def parent(self) -> "Remote":
        """The folder that contains this one."""
        parts = urlsplit(self.url)
        return Remote(parts._replace(path=str(PurePosixPath(parts.path).parent)).geturl())

    @property
    def explicit(self) -> "Remote":
        """The same folder, with the endpoint from this process's environment, which other processes may lack."""
        parts = urlsplit(self.url)
        query, environment = dict(parse_qsl(parts.query)), os.environ.get
        endpoint = environment("AWS_ENDPOINT_URL_S3") or environment("AWS_ENDPOINT_URL")
        if parts.scheme != "s3" or not endpoint or "endpoint_override" in query:
            return self
        region = environment("AWS_REGION") or environment("AWS_DEFAULT_REGION") or "us-east-1"
        explicit = urlencode({"endpoint_override": endpoint, "region": region, **query})
        return Remote(parts._replace(query=explicit).geturl())

    def push(self, path: Path, name: str) -> None:
        """Upload a file atomically: an interruption leaves the previous object.

        Raises StoreLost, and InvalidValue if the file cannot be read.
        """
        if _size_here(path) > LARGEST_MOVE:
            self.add(path, name)
            return
        files, root = self._open()
        draft = f"{root}/{DRAFTS}/{uuid4().hex}"
        try:
            self.add(path, draft.removeprefix(f"{root}/"))
            with _explained(self.url):
                files.move(draft, f"{root}/{name}")
        except BaseException:
            with suppress(OSError):
                files.delete_file(draft)
            raise

    def add(self, path: Path, name: str) -> None:
        """Upload a file under a name that nobody reads yet: an interruption leaves an object with a part of the file.

        pyarrow publishes what was written even if its stream is left by an exception. Raises StoreLost, and
        InvalidValue if the file cannot be read.
        """
        files, root = self._open()
        with _of_this_machine(path):
            source = path.open("rb")
        with source, ExitStack() as closing:
            first = _read_here(source, path)  # before the object is created
            with _explained(self.url):
                upload = files.open_output_stream(f"{root}/{name}")
            closing.callback(self._close, upload)
            for block in chain([first], iter(partial(_read_here, source, path), b"")):
                with _explained(self.url):
                    upload.write(block)

    def pull(self, name: str, into: Path) -> bool:
        """Download a file, whole or not at all; return whether there is one.

        Raises StoreLost, and InvalidValue if it cannot be written on this machine.
        """
        files, root = self._open()
        with _explained(self.url):
            try:
                source = files.open_input_stream(f"{root}/{name}")
            except FileNotFoundError:
                return False
        with source, _of_this_machine(into):
            into.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(prefix=f".{into.name}.", dir=into.parent) as draft:
                with (Path(draft) / into.name).open("wb") as copy:
                    while block := self._read_remote(source):
                        copy.write(block)
                (Path(draft) / into.name).replace(into)
        return True

    def sizes(self, names: Sequence[str]) -> list[int | None]:
        """Return the sizes of files in bytes, None for missing ones; raises StoreLost."""
        files, root = self._open()
        with _explained(self.url):
            return [info.size for info in files.get_file_info([f"{root}/{name}" for name in names])]

    def pull_folder(self, name: str, into: Path) -> None:
        """Download all files of a folder, which may be missing, into an existing one; raises as `pull` does.

        Leaves out objects whose names are no plain paths below the folder, such as ``../x`` and ``a//b``.
        """
        from pyarrow.fs import FileSelector

        files, root = self._open()
        with _explained(self.url):
            selector = FileSelector(f"{root}/{name}", recursive=True, allow_not_found=True)
            infos = files.get_file_info(selector)
        within = [info.path.removeprefix(f"{root}/{name}/") for info in infos if info.is_file]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pulling") as pulling:
            list(pulling.map(lambda file: self.pull(f"{name}/{file}", into / file), filter(_stays_within, within)))

    def names(self, below: str = "", *, deep: bool = False) -> list[str]:
        """Return the files and folders in a folder, or at any depth below it; raises StoreLost."""
        from pyarrow.fs import FileSelector

        files, root = self._open()
        with _explained(self.url):
            selector = FileSelector(f"{root}/{below}".rstrip("/"), recursive=deep, allow_not_found=True)
            infos = files.get_file_info(selector)
        return sorted(info.path.removeprefix(f"{root}/") for info in infos)

    def move_beside(self, folder: str, aside: str) -> None:
        """Move a folder with all its files into `aside`, a folder next to this one; raises StoreLost."""
        from pyarrow.fs import FileSelector

        files, root = self._open()
        with _explained(self.url):
            infos = files.get_file_info(FileSelector(f"{root}/{folder}", recursive=True, allow_not_found=True))
            target = f"{PurePosixPath(root).parent}/{aside}"
            for info in infos:
                if info.is_file:
                    files.move(info.path, f"{target}/{info.path.removeprefix(f'{root}/')}")

    def delete_soon(self, folder: str) -> "Future[None]":
        """Delete a folder with all its files in a thread; what cannot be deleted stays."""
        return _deleting().submit(partial(self._delete, folder))

    def check(self) -> None:
        """Raise InvalidValue unless files can be written, listed, read and deleted there."""
        probe = f".probe-{uuid4().hex}"
        try:
            with _explained(self.url):
                files, root = self._open()
                with files.open_output_stream(f"{root}/{probe}/written") as upload:
                    upload.write(b"This file may be deleted.")
                (name,) = self.names(probe)
                with files.open_input_stream(f"{root}/{name}") as download:
                    download.read()
                files.delete_dir(f"{root}/{probe}")
        except StoreLost as refused:
            raise InvalidValue(KEY, self.url, str(refused).removeprefix(f"{self.url} ")) from None

    def require_bucket(self) -> None:
        """Raise InvalidValue if the bucket is not there, as far as credentials let that be seen; writes nothing."""
        from pyarrow.fs import FileType

        files, root = self._open()
        with suppress(OSError):
            (bucket,) = files.get_file_info([root.partition("/")[0]])
            if bucket.type is FileType.NotFound:
                raise InvalidValue(KEY, self.url, f"has no bucket of that name: {_advice(self.url)}")

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
            raise InvalidValue(KEY, self.url, f"cannot be understood: {_in_one_line(trouble)}") from None

    def _read_remote(self, source: Any) -> bytes:
        with _explained(self.url):
            block: bytes = source.read(BLOCK)
            return block

    def _close(self, upload: Any) -> None:
        with _explained(self.url):
            upload.close()

    def _delete(self, folder: str) -> None:
        files, root = self._open()
        with suppress(OSError):
            files.delete_dir(f"{root}/{folder}")


def patiently(work: Callable[[], T]) -> T:
    """Return what `work` returns; retry for STORE_PATIENCE while the storage is away, then raise StoreLost."""
    until, warned = time.monotonic() + STORE_PATIENCE, False
    while True:
        try:
            return work()
        except StoreLost as lost:
            if time.monotonic() >= until:
                raise
            if not warned:
                logger.warning("trying again for %g s: %s", STORE_PATIENCE, lost)
                warned = True
            time.sleep(PAUSE)


def _stays_within(name: str) -> bool:
    """Return whether an object's name is a plain path below its folder; pyarrow raises for empty parts."""
    return not {"", ".", ".."} & set(name.split("/"))


@cache
def _file_system(url: str) -> Any:
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(url)[0]


@cache
def _deleting() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="deleting")


@contextmanager
def _of_this_machine(path: Path) -> Iterator[None]:
    """Turn errors of this machine's disk, but not a full one, into InvalidValue, which does not blame the storage."""
    try:
        yield
    except OSError as trouble:
        if is_full(trouble):
            raise
        cause = f"cannot be used on this machine: {trouble.strerror or trouble}"
        allowed = f"{cause}; {CACHE} names the folder for copies of a bucket's files"
        raise InvalidValue("file", str(path), allowed) from trouble


def _read_here(source: BinaryIO, path: Path) -> bytes:
    with _of_this_machine(path):
        return source.read(BLOCK)


def _size_here(path: Path) -> int:
    with _of_this_machine(path):
        return path.stat().st_size


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn errors of the storage into StoreLost, but not a full disk of this machine."""
    try:
        yield
    except OSError as trouble:
        if is_full(trouble):
            raise
        raise StoreLost(f"{url} cannot be used: {_in_one_line(trouble)} ({_advice(url)})") from trouble


def _advice(url: str) -> str:
    scheme = urlsplit(url).scheme
    endpoint = ", AWS_REGION, AWS_ENDPOINT_URL" if scheme == "s3" else ""
    needed = "they must allow to list, read, write and delete"
    return f"check the bucket{endpoint} and the credentials, {CREDENTIALS[scheme]}; {needed}"


def _in_one_line(trouble: Exception) -> str:
    """Return a message in one line, without the number of the request."""
    return re.sub(r" *\(Request ID: [^)]*\)", "", " ".join(str(trouble).split()))

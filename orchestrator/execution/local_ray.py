"""Ray on this machine, for one study: on loopback, out of reach of the driver's signals, in a private folder."""

import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Final

from orchestrator.execution import ray_internals
from orchestrator.execution.interruption import handlers_kept
from orchestrator.ledger.journal_file import DriverLock, is_driven
from orchestrator.store.checkpoints import discard
from orchestrator.store.disk import is_full
from trainables.errors import EspalierError, InvalidValue

FOLDER: Final = "RAY_TMPDIR"
"""The variable that names the folder for Ray's files."""

ROOM_FOR_SOCKETS: Final = len("/session_2026-01-31_12-00-00_000000_4194304/sockets/plasma_store")
"""Bytes that Ray appends to its folder's path for the longest name of a socket."""

LONGEST_SOCKET: Final = 107
"""Bytes that the path of a Unix socket may have on Linux."""

_SHORT: Final = Path("/tmp")
_PREFIX: Final = "espalier-ray-"
_LOCK: Final = "driver.lock"
_OBJECT_STORE: Final = 128 * 2**20
"""Bytes. Trials exchange next to nothing through Ray."""

_VITAL: Final = ("gcs_server", "raylet")
"""The programs without which Ray can do nothing: its control store, and what starts workers on this node."""

_TOKENS: Final = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


class RayNotStarted(EspalierError):
    """Ray cannot be started on this machine."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"Ray cannot be started on this machine: {' '.join(str(error).split())}")


class LocalRay:
    """The processes of a Ray that this process has started."""

    def __init__(self) -> None:
        self._vital: list[subprocess.Popen[bytes]] = []

    def is_alive(self) -> bool:
        """Return whether the vital processes live. Asks nobody: a call to a dead control store never returns."""
        return all(process.poll() is None for process in self._vital)

    def start(self, popen: type[subprocess.Popen[bytes]], *words: Any, **options: Any) -> subprocess.Popen[bytes]:
        """Start one of Ray's processes in a process group of its own.

        What is sent to the driver's group, by `timeout` or a batch system, would end Ray under the driver. It stays in
        the driver's session: between sessions Linux shares processors evenly, whatever the priorities.
        """
        process = popen(*words, **options, process_group=0)
        if _program(process) in _VITAL:
            self._vital.append(process)
        return process


_current: LocalRay | None = None
"""The Ray that this process has started, if it has: there can be only one."""


def is_started_here() -> bool:
    """Return whether this process has started the Ray that it uses, so that workers have its variables."""
    return _current is not None


def vital_processes_live() -> bool:
    """Return whether the processes live without which every call to Ray blocks; of others' Ray, suppose it."""
    return _current is None or _current.is_alive()


@contextmanager
def started() -> Iterator[None]:
    """Start Ray, and end it with the block. Raises InvalidValue for folders it cannot use, or RayNotStarted."""
    import ray

    global _current
    with _folder_for_ray() as folder, _token_in(folder.parent):
        try:
            _current = _start(folder)
            yield
        finally:
            ray.shutdown()
            _current = None


def _start(folder: Path) -> LocalRay:
    import ray

    try:
        with handlers_kept(), _on_loopback(), ray_internals.cluster_services_left_out(), _apart() as local:
            ray.init(
                address="local",
                **{ray_internals.FOLDER: str(folder)},  # Ray opens it to everybody; nobody else gets into the one above
                include_dashboard=False,
                log_to_driver=False,
                object_store_memory=_OBJECT_STORE,
            )
    except SystemExit as ended:  # Ray's own answer to SIGTERM while it starts
        raise KeyboardInterrupt from ended
    except Exception as error:
        raise RayNotStarted(error) from error
    return local


@contextmanager
def _apart() -> Iterator[LocalRay]:
    """Start Ray's processes through a LocalRay while the block runs."""
    local = LocalRay()
    with ray_internals.processes_started_by(local.start):
        yield local


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make a Ray that starts in the block listen on loopback alone.

    It does so by itself where it supports no clusters, on macOS and Windows, and takes 127.0.0.1 for a slip elsewhere.
    """
    with ray_internals.clusters_disabled() as variable, environment({variable: "0"}):
        yield


@contextmanager
def _folder_for_ray() -> Iterator[Path]:
    """Make a folder for Ray's files; one whose path is too long for sockets is reached through a link in /tmp."""
    with ExitStack() as stack:
        parent = Path(os.environ.get(FOLDER) or _SHORT).absolute()
        folder = stack.enter_context(_private_folder(parent)) / "ray"
        if len(os.fsencode(folder)) + ROOM_FOR_SOCKETS > LONGEST_SOCKET:
            folder.mkdir()
            link = stack.enter_context(_private_folder(_SHORT)) / "ray"
            link.symlink_to(folder)
            folder = link
        yield folder


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that nobody else may enter and that goes with the block, or with the next driver."""
    _sweep_abandoned(parent)
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        if is_full(error):
            raise
        allowed = f"must be a folder that this user may write to, for Ray's files: {error.strerror}"
        raise InvalidValue(FOLDER, str(parent), allowed) from None
    lock = DriverLock(folder / _LOCK)
    try:
        yield folder
    finally:
        lock.release()
        discard(folder)


def _sweep_abandoned(parent: Path) -> None:
    """Delete the folders of drivers that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another driver may be sweeping it too
            lock = folder / _LOCK
            if folder.lstat().st_uid == os.getuid() and _is_abandoned(folder, lock):
                discard(folder)


def _is_abandoned(folder: Path, lock: Path) -> bool:
    return not folder.is_symlink() and lock.exists() and not is_driven(lock)


@contextmanager
def _token_in(folder: Path) -> Iterator[None]:
    """Give Ray its token while the block runs: the user's, or, without a home that can keep one, one in `folder`."""
    if os.environ.keys() & set(_TOKENS) or os.environ.get("RAY_AUTH_MODE", "token") != "token":
        yield
        return
    where: Mapping[str, str] = {}
    try:
        _keep_token_private(Path.home() / ".ray" / "auth_token")
    except (OSError, RuntimeError):  # RuntimeError: no home at all
        token = folder / "auth_token"
        token.touch(mode=0o600)
        token.write_text(_token_of_this_process())
        where = {"RAY_AUTH_TOKEN_PATH": str(token)}
    with environment(where):
        yield


def _keep_token_private(token: Path) -> None:
    """Make Ray's token, unless there is one, as Ray would, but so that nobody else can read it."""
    if not token.exists():
        token.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=token.parent) as draft, suppress(FileExistsError):
            draft.write(secrets.token_hex(32))
            draft.flush()
            os.link(draft.name, token)
    if token.stat().st_mode & 0o077:
        token.chmod(0o600)


@cache
def _token_of_this_process() -> str:
    """Return always the same: Ray reads a token once in the life of a process."""
    return secrets.token_hex(32)


def _program(process: subprocess.Popen[bytes]) -> str:
    words = process.args
    return Path(str(words[0] if isinstance(words, list) else words)).name


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set while the block runs."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)

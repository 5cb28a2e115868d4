"""Open a store's files without following links, and replace them atomically."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from trainables.errors import InvalidValue


def require_plain(paths: Iterable[Path]) -> None:
    """Raise InvalidValue for an existing path that is neither a file nor a folder, such as a link."""
    for path in paths:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise _refused(path)


def open_file(path: Path, flags: int) -> int:
    """Return a descriptor of a regular file; raises InvalidValue for a link, a folder, a pipe or a device."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as trouble:
        if trouble.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _refused(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _refused(path)
    return descriptor


def write_whole(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace a file atomically: a reader sees the old content or the new one. With `sync`, it is then on disk."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)  # left by a killed process, or a link
    with os.fdopen(open_file(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if sync:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refused(path: Path) -> InvalidValue:
    allowed = "must be a plain file or folder of the store, no link; delete it, or move the whole store instead"
    return InvalidValue("store", str(path), allowed)

"""Recognise a full disk, and tell a person where to make room."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trainables.errors import StudyStopped

FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space left, quota exceeded, file size limit exceeded."""

_MESSAGES: Final = re.compile(
    "|".join([*map(os.strerror, FULL), r"PytorchStreamWriter failed", r"inline_container\.cc", r"iostream error"])
)
"""Messages of a full disk in exceptions that arrive as text, and in those of torch.save, which have no error number."""


_FORBIDDEN: Final = re.compile("|".join(map(os.strerror, (errno.EACCES, errno.EPERM, errno.EROFS))))
"""What messages of torch.save also contain if writing is not allowed, however much room there is."""


class DiskFull(StudyStopped):
    """A study cannot continue because its files cannot be written. Results recorded before are kept."""

    def __init__(self, study: str, folder: Path, cause: str, *, command: str) -> None:
        fullest = min((folder, Path(tempfile.gettempdir())), key=lambda path: shutil.disk_usage(path).free)
        usage = shutil.disk_usage(fullest)
        super().__init__(
            f"study {study!r} has stopped, because it cannot be written: {_size(usage.free)} of {_size(usage.total)} "
            f"are free at {fullest}. All results so far are kept; make room there, then continue by `{command}` "
            f"({cause})"
        )


def is_full(error: BaseException) -> bool:
    """Return whether an exception, or one that led to it, means that a disk is full."""
    return any(map(_is_full, chain(error)))


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    if _FORBIDDEN.search(str(error)):
        return False
    return bool(_MESSAGES.search(str(error))) and not type(error).__module__.startswith("torch.distributed")


def _size(amount: int) -> str:
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.1f} MiB"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

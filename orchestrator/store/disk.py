"""Full disks: how they are recognised, and what is told to the person who can make room."""

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
"""No space, no quota, a file beyond the limit for one."""

_WORDS: Final = re.compile(
    "|".join([*map(os.strerror, FULL), r"PytorchStreamWriter failed", r"inline_container\.cc", r"iostream error"])
)
"""What says so in exceptions that arrive as text, and in those of torch.save, which know no error number."""


_OTHER: Final = re.compile("|".join(map(os.strerror, (errno.EACCES, errno.EPERM, errno.EROFS))))
"""What torch.save says in the same words of a place where nothing may be written, however much room there is."""


class DiskFull(StudyStopped):
    """A study cannot continue because something cannot be written. Results recorded before are kept."""

    def __init__(self, study: str, folder: Path, said: str, *, command: str) -> None:
        place = min((folder, Path(tempfile.gettempdir())), key=lambda one: shutil.disk_usage(one).free)
        usage = shutil.disk_usage(place)
        super().__init__(
            f"study {study!r} has stopped, because it cannot be written: {_size(usage.free)} of {_size(usage.total)} "
            f"are free at {place}. All results so far are kept; make room there, then continue by `{command}` ({said})"
        )


def is_full(error: BaseException) -> bool:
    """Return whether an exception, or one that led to it, means that nothing more can be written."""
    return any(_is_full(one) for one in chain(error))


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    if _OTHER.search(str(error)):
        return False
    return bool(_WORDS.search(str(error))) and not type(error).__module__.startswith("torch.distributed")


def _size(amount: int) -> str:
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.1f} MiB"


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)

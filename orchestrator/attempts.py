"""The attempts at a trial: a folder for each, and the texts in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ERROR_TEXT: Final = "error.txt"
"""The file in which Ray Tune keeps the traceback of a trial's failures."""

TRIAL_LOG: Final = "trial.log"
"""The file in which a trial's own words are: what it printed, logged and raised."""

TEXTS: Final = (TRIAL_LOG, ERROR_TEXT)

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Attempt:
    """What is left of an attempt: what the trial itself said, and what Ray said, unless the trial said the same."""

    folder: Path
    last_word: datetime
    log: str
    error: str


def attempt_folder(trials: Path, number: int, attempt: str) -> Path:
    """Return where the files of an attempt at a trial lie."""
    return trials / f"{number:05d}-{attempt}"


def attempts(trials: Path, number: int) -> list[Attempt]:
    """Return the attempts at a trial that said anything, the earliest first, whether or not one is under way."""
    found = (_attempt(folder) for folder in trials.glob(f"{number:05d}-*"))
    return sorted((one for one in found if one is not None), key=lambda one: one.last_word)


def texts(folder: Path) -> Iterator[Path]:
    """Yield the files in an attempt's folder in which something is said."""
    yield from (path for name in TEXTS if (path := folder / name).exists() and path.stat().st_size)


def _attempt(folder: Path) -> Attempt | None:
    said = {path.name: path for path in texts(folder)}
    if not said:
        return None
    last = max(path.stat().st_mtime for path in said.values())
    log, error = (_read(said[name]) if name in said else "" for name in TEXTS)
    told_alike = error.rstrip().rpartition("\n")[2] in log
    return Attempt(folder, datetime.fromtimestamp(last, UTC), log, "" if told_alike else error)


def _read(path: Path) -> str:
    return _COLOURS.sub("", path.read_text(encoding="utf-8", errors="replace"))

"""The attempts at a trial: a folder for each, and the texts in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

TRIAL_LOG: Final = "trial.log"
"""The file in which a trial's own words are: what it printed, logged and raised."""

OBITUARY: Final = "obituary.txt"
"""The file in which the driver keeps what Ray says of an attempt that could not say itself how it ended."""

ERROR_TEXT: Final = "error.txt"
"""The file in which Ray Tune keeps its account of a failure, once all trials are over."""

TEXTS: Final = (TRIAL_LOG, OBITUARY, ERROR_TEXT)

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Attempt:
    """What is left of an attempt: what the trial itself said, and what Ray said where the trial could not."""

    folder: Path
    last_word: datetime
    log: str
    error: str


def attempt_folder(trials: Path, number: int, attempt: str) -> Path:
    """Return where the files of an attempt at a trial lie."""
    return trials / f"{number:05d}-{attempt}"


def is_beyond(folder: str, known: int | None) -> bool:
    """Return whether a folder of this name holds an attempt at a trial beyond the first `known`, if any is."""
    number, dash, _ = folder.partition("-")
    return known is not None and bool(dash) and number.isascii() and number.isdigit() and int(number) >= known


def is_attempt(folder: str, number: int) -> bool:
    """Return whether a folder of this name holds an attempt at a trial."""
    return folder.startswith(f"{number:05d}-")


def attempts(trials: Path, number: int) -> list[Attempt]:
    """Return the attempts at a trial that said anything, the earliest first, whether or not one is under way."""
    found = (_attempt(folder) for folder in trials.glob(f"{number:05d}-*"))
    return sorted((one for one in found if one is not None), key=lambda one: one.last_word)


def texts(folder: Path) -> Iterator[Path]:
    """Yield the files in an attempt's folder in which something is said."""
    yield from (
        path for name in TEXTS if (path := folder / name).is_file() and not path.is_symlink() and path.stat().st_size
    )


def _attempt(folder: Path) -> Attempt | None:
    said = {path.name: path for path in texts(folder)}
    if not said:
        return None
    if said.keys() != {ERROR_TEXT}:
        said.pop(ERROR_TEXT, None)  # it tells the same again, as if it had happened when all trials were over
    last = max(path.stat().st_mtime for path in said.values())
    log, *rest = (_read(said[name]) if name in said else "" for name in TEXTS)
    return Attempt(folder, datetime.fromtimestamp(last, UTC), log, "".join(rest))


def _read(path: Path) -> str:
    return _COLOURS.sub("", path.read_text(encoding="utf-8", errors="replace"))

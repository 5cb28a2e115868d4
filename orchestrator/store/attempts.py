"""The attempts at a trial: a folder for each, the checkpoints and the texts in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from trainables.errors import InvalidValue

TRIALS: Final = "trials"
"""The folder of a study below which each attempt at a trial has one."""

TRIAL_LOG: Final = "trial.log"
"""The file in which a trial's own words are: what it printed, logged and raised."""

OBITUARY: Final = "obituary.txt"
"""The file in which the driver keeps what Ray says of an attempt that could not say itself how it ended."""

ERROR_TEXT: Final = "error.txt"
"""The file in which Ray Tune keeps its account of a failure, once all trials are over."""

TEXTS: Final = (TRIAL_LOG, OBITUARY, ERROR_TEXT)

_CHECKPOINT: Final = re.compile(rf"{TRIALS}/([A-Za-z0-9_-]+)/([A-Za-z0-9_-]+)")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Attempt:
    """What is left of an attempt: what the trial itself said, and what Ray said where the trial could not."""

    folder: Path
    last_word: datetime
    log: str
    error: str


@dataclass(frozen=True)
class CheckpointRef:
    """A checkpoint of a study: the folder name of the attempt that wrote it, and its own name there.

    It says nothing of where the study lies, so it stays true when a study is moved. Raises InvalidValue for names that
    would lead anywhere but to a folder within an attempt's: what it names is deleted one day.
    """

    attempt: str
    name: str

    def __post_init__(self) -> None:
        _names(str(self))

    @classmethod
    def parse(cls, written: str) -> Self:
        """Return the checkpoint that is written as ``trials/ATTEMPT/NAME``; raises InvalidValue for another form."""
        return cls(*_names(written))

    def __str__(self) -> str:
        return f"{TRIALS}/{self.within_trials}"

    @property
    def within_trials(self) -> str:
        """Where it lies below the folder of the trials, or below their prefix in an object storage."""
        return f"{self.attempt}/{self.name}"


def _names(written: str) -> tuple[str, str]:
    match = _CHECKPOINT.fullmatch(written)
    if match is None:
        raise InvalidValue(
            "ledger", written, "is not a checkpoint of this study: another program has written to its ledger"
        )
    return match[1], match[2]


def checkpoints_of(trials: Path, number: int) -> Iterator[CheckpointRef]:
    """Yield the checkpoints that lie in the folders of a trial's attempts, whole or not.

    What lies behind a link is left out, and so is what no attempt calls a checkpoint: a copy by hand, for example.
    """
    for path in trials.glob(f"{number:05d}-*/checkpoint_*"):
        written = f"{TRIALS}/{path.parent.name}/{path.name}"
        if _CHECKPOINT.fullmatch(written) and not path.parent.is_symlink():
            yield CheckpointRef.parse(written)


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

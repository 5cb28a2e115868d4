"""The attempts at a trial: each has a folder with its checkpoints and texts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from trainables.errors import InvalidValue

TRIALS: Final = "trials"
"""The folder of a study that has a folder for each attempt at a trial."""

TRIAL_LOG: Final = "trial.log"
"""The file with what a trial printed, logged and raised."""

OBITUARY: Final = "obituary.txt"
"""The file with Ray's account of an attempt that could not log itself how it ended."""

ERROR_TEXT: Final = "error.txt"
"""The file with Ray Tune's account of a failure, written once all trials have ended."""

TEXTS: Final = (TRIAL_LOG, OBITUARY, ERROR_TEXT)

_CHECKPOINT: Final = re.compile(rf"{TRIALS}/([A-Za-z0-9_-]+)/([A-Za-z0-9_-]+)")
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Attempt:
    """The texts of an attempt: its log, and Ray's account of an error that the log lacks."""

    folder: Path
    last_word: datetime
    log: str
    error: str


@dataclass(frozen=True)
class CheckpointRef:
    """A checkpoint of a study: the folder name of the attempt that wrote it, and its own name there.

    It does not depend on where the study lies, so it stays valid when a study is moved. Raises InvalidValue for names
    that would lead anywhere but to a folder within an attempt's, because checkpoints are deleted one day.
    """

    attempt: str
    name: str

    def __post_init__(self) -> None:
        _names(str(self))

    @classmethod
    def parse(cls, written: str) -> Self:
        """Return the checkpoint written as ``trials/ATTEMPT/NAME``; raises InvalidValue for another form."""
        return cls(*_names(written))

    def __str__(self) -> str:
        return f"{TRIALS}/{self.within_trials}"

    @property
    def within_trials(self) -> str:
        """Its path below the folder of the trials, or below their prefix in an object storage."""
        return f"{self.attempt}/{self.name}"


def _names(written: str) -> tuple[str, str]:
    match = _CHECKPOINT.fullmatch(written)
    if match is None:
        raise InvalidValue(
            "ledger", written, "is not a checkpoint of this study: another program has written to its ledger"
        )
    return match[1], match[2]


def checkpoints_of(trials: Path, number: int) -> Iterator[CheckpointRef]:
    """Yield the checkpoints in the folders of a trial's attempts, intact or not.

    Leaves out folders behind a link, and those without a checkpoint's name, such as a copy made by hand.
    """
    for path in trials.glob(f"{number:05d}-*/checkpoint_*"):
        written = f"{TRIALS}/{path.parent.name}/{path.name}"
        if _CHECKPOINT.fullmatch(written) and not path.parent.is_symlink():
            yield CheckpointRef.parse(written)


def attempt_folder(trials: Path, number: int, attempt: str) -> Path:
    """Return the folder of an attempt at a trial."""
    return trials / f"{number:05d}-{attempt}"


def is_beyond(folder: str, known: int | None) -> bool:
    """Return whether a folder of this name belongs to a trial beyond the first `known`, if their number is given."""
    number, dash, _ = folder.partition("-")
    return known is not None and bool(dash) and number.isascii() and number.isdigit() and int(number) >= known


def is_attempt(folder: str, number: int) -> bool:
    """Return whether a folder of this name belongs to a trial."""
    return folder.startswith(f"{number:05d}-")


def attempts(trials: Path, number: int) -> list[Attempt]:
    """Return the attempts at a trial that have texts, the earliest first, including one that still runs."""
    existing = (_attempt(folder) for folder in trials.glob(f"{number:05d}-*") if not folder.is_symlink())
    return sorted((attempt for attempt in existing if attempt is not None), key=lambda attempt: attempt.last_word)


def texts(folder: Path) -> Iterator[Path]:
    """Yield the texts in an attempt's folder that are not empty."""
    yield from (
        path for name in TEXTS if (path := folder / name).is_file() and not path.is_symlink() and path.stat().st_size
    )


def _attempt(folder: Path) -> Attempt | None:
    paths = {path.name: path for path in texts(folder)}
    if not paths:
        return None
    if paths.keys() != {ERROR_TEXT}:
        paths.pop(ERROR_TEXT, None)  # it repeats the others, with the time at which all trials had ended
    last = max(path.stat().st_mtime for path in paths.values())
    log, *errors = (_read(paths[name]) if name in paths else "" for name in TEXTS)
    return Attempt(folder, datetime.fromtimestamp(last, UTC), log, "".join(errors))


def _read(path: Path) -> str:
    return _COLOURS.sub("", path.read_text(encoding="utf-8", errors="replace"))

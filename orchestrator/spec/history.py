"""The stored study file: the study as it is now, and the changes that made it so."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.safe_files import write_whole
from orchestrator.spec.spec_errors import Problem, StudyError
from orchestrator.spec.study_file import as_text, read_mapping
from orchestrator.spec.study_spec import HISTORY, StudySpec


@dataclass(frozen=True)
class Change:
    """The value of a key of the study file before and after; None if the key was absent."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {_short(self.before)} -> {_short(self.after)}"


@dataclass(frozen=True)
class Extension:
    """The changes made to a study at one time, an ISO 8601 date in UTC."""

    time: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        return f"{self.time}: {'; '.join(map(str, self.changes))}"


def read_history(path: Path) -> tuple[Extension, ...]:
    """Return how a stored study was extended, oldest first; raises StudyError if the file holds something else."""
    plain = read_mapping(path).get(HISTORY, [])
    try:
        history = tuple(
            Extension(str(extension["time"]), tuple(Change(**change) for change in extension["changes"]))
            for extension in plain
        )
        first_before = next(iter(_epochs_before(history)), 1)
    except (KeyError, TypeError):
        first_before = None
    if not isinstance(first_before, int):
        allowed = "is not as `espalier extend` wrote it; restore the file, or delete this key if there was no extension"
        raise StudyError([Problem(HISTORY, allowed)], path)
    return history


def first_epochs(path: Path, now: int) -> int:
    """Return the epochs that a stored study was launched with, given its current epochs."""
    history = read_history(path) if path.exists() else ()
    return next(iter(_epochs_before(history)), now)


def _epochs_before(history: Sequence[Extension]) -> list[Any]:
    """Return what the epochs were before each change of them."""
    return [change.before for extension in history for change in extension.changes if change.key == "fidelity.epochs"]


def write_study(path: Path, spec: StudySpec, history: Sequence[Extension] = ()) -> None:
    """Write a study with its history, atomically."""
    past = {HISTORY: [asdict(extension) for extension in history]} if history else {}
    text = spec.as_yaml() + (as_text(past) if past else "")
    write_whole(path, text.encode())


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

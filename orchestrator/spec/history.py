"""The stored study file: the study as it is now, and how it came to be so."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.safe_files import write_whole
from orchestrator.spec.study_file import as_text, read_mapping
from orchestrator.spec.study_spec import HISTORY, StudySpec


@dataclass(frozen=True)
class Change:
    """What a key of the study file said before and after; None where it was not there."""

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {_short(self.before)} -> {_short(self.after)}"


@dataclass(frozen=True)
class Extension:
    """What was changed in a study at one time, an ISO 8601 date in UTC."""

    time: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        return f"{self.time}: {'; '.join(map(str, self.changes))}"


def read_history(path: Path) -> tuple[Extension, ...]:
    """Return how a stored study was extended, oldest first."""
    plain = read_mapping(path).get(HISTORY, [])
    return tuple(Extension(one["time"], tuple(Change(**change) for change in one["changes"])) for one in plain)


def first_epochs(path: Path, now: int) -> int:
    """Return the epochs that a stored study began with, given its present epochs."""
    changes = (change for extension in read_history(path) for change in extension.changes) if path.exists() else ()
    return next((int(change.before) for change in changes if change.key == "fidelity.epochs"), now)


def write_study(path: Path, spec: StudySpec, history: Sequence[Extension] = ()) -> None:
    """Write a study with its history, at once and whole: a reader finds what was there before, or this."""
    past = {HISTORY: [asdict(one) for one in history]} if history else {}
    text = spec.as_yaml() + (as_text(past) if past else "")
    write_whole(path, text.encode())


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

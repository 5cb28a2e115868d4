"""What `espalier evaluate` has measured of a study's trials: a file for each trial, written whole after every row."""

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from orchestrator.safe_files import open_file, require_plain, write_whole
from orchestrator.store.remote import patiently
from orchestrator.store.store import StudyFolder
from trainables.errors import RequestRefused

EVALUATIONS: Final = "evaluations"
"""The folder of a study that has a file for each evaluated trial."""


LOCK: Final = "lock"


class EvaluationBusy(RequestRefused, RuntimeError):
    """Another process is evaluating the study."""


@dataclass(frozen=True)
class Setting:
    """What a row depends on besides its condition: it is measured again where any of this has changed.

    `images` is None for all test images; `reference` is the dense trial that the network was compared with.
    """

    checkpoint: str
    seed: int
    images: int | None
    reference: int | None


@dataclass(frozen=True)
class Row:
    """The measurements of a trial under a condition, by column, as ``accuracy@fog_3``.

    Of an ensemble that costs at most what the trial's network does, `members` are its trials.
    """

    condition: str
    setting: Setting
    columns: Mapping[str, float]
    members: tuple[int, ...] = ()


class Evaluations:
    """The rows of a study's trials; in an object storage, this machine's mirror of them."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder, self._path = folder, folder.path / EVALUATIONS
        require_plain([self._path])
        if folder.remote is not None:
            self._path.mkdir(parents=True, exist_ok=True)
            patiently(partial(folder.remote.pull_folder, EVALUATIONS, self._path))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes of this machine from adding rows meanwhile: each writes a trial's file as a whole.

        Raises EvaluationBusy while another one does so.
        """
        self._path.mkdir(exist_ok=True)
        descriptor = open_file(self._path / LOCK, os.O_RDWR | os.O_CREAT)
        with os.fdopen(descriptor):  # closing it gives the lock back
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                busy = f"{self._folder.path.name} is being evaluated by another process; wait until it has finished"
                raise EvaluationBusy(busy) from None
            yield

    def trials(self) -> list[int]:
        """Return the trials that have rows."""
        return sorted(int(path.stem) for path in self._path.glob("[0-9]*.json") if path.stem.isdigit())

    def rows(self, trial: int) -> dict[str, Row]:
        """Return a trial's rows by condition; a file that cannot be read has none, and is measured again."""
        path = self._file(trial)
        require_plain([path])
        try:
            plain = json.loads(path.read_bytes())
            return {name: _row(name, row) for name, row in plain.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError):
            return {}

    def keep(self, trial: int, row: Row) -> None:
        """Add a row, or replace that of the same condition; it is on the disk, or in the storage, on return."""
        rows = {**self.rows(trial), row.condition: row}
        plain = {name: _plain(one) for name, one in rows.items()}
        self._path.mkdir(exist_ok=True)
        write_whole(self._file(trial), json.dumps(plain, indent=1).encode())
        if self._folder.remote is not None:
            patiently(partial(self._folder.push, self._file(trial)))

    def members(self, name: str) -> dict[int, tuple[int, ...]]:
        """Return the members of each trial's ensemble of that name, of the trials that have one."""
        rows = {trial: self.rows(trial).get(name) for trial in self.trials()}
        return {trial: row.members for trial, row in rows.items() if row is not None and row.members}

    def columns(self) -> dict[int, dict[str, float]]:
        """Return what has been measured of each trial, by column."""
        return {trial: _together(self.rows(trial).values()) for trial in self.trials()}

    def _file(self, trial: int) -> Path:
        return self._path / f"{trial:05d}.json"


def _row(condition: str, plain: Mapping[str, Any]) -> Row:
    members = tuple(plain.get("members", ()))
    return Row(condition, Setting(**plain["setting"]), plain["columns"], members)


def _plain(row: Row) -> dict[str, object]:
    members = {"members": row.members} if row.members else {}
    return {"setting": asdict(row.setting), "columns": dict(row.columns), **members}


def _together(rows: Iterable[Row]) -> dict[str, float]:
    return {name: value for row in rows for name, value in row.columns.items()}

"""The files of trials on a disk or in an object storage: checkpoints are written whole or not at all.

A CheckpointRef is the same for both; here it becomes a path on a disk, or the key of objects in a storage.
"""

import shutil
import socket
import weakref
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Protocol

from orchestrator.store import checkpoints
from orchestrator.store.attempts import TEXTS, CheckpointRef, is_attempt, is_beyond, texts
from orchestrator.store.checkpoints import ASIDE, SEAL, Owner, seal
from orchestrator.store.remote import Remote, StoreLost, patiently
from orchestrator.store.store import StudyFolder
from trainables.context import SaveCheckpoint


class TrialFiles(Protocol):
    """What driver and workers do with checkpoints."""

    def keep(self, checkpoint: CheckpointRef, save: SaveCheckpoint, owner: Owner | None = None) -> bool:
        """Store what `save` writes as a checkpoint, sealed as `owner`'s; return whether it wrote anything.

        Raises StoreLost if the store cannot be reached.
        """

    def fetch(self, checkpoint: CheckpointRef) -> Path:
        """Return a folder on this machine with a checkpoint's files, which lasts as long as this object."""

    def is_intact(self, checkpoint: CheckpointRef, owner: Owner | None = None, *, unowned: bool = True) -> bool:
        """Return whether a checkpoint matches its seal and belongs to `owner`; reads all of it.

        `unowned` allows a seal that names no owner.
        """

    def discard(self, checkpoint: CheckpointRef) -> None:
        """Delete a checkpoint now or soon; what cannot be deleted is left for the next `tidy`."""

    def tidy(self, keep: Collection[CheckpointRef], known: int | None = None) -> Collection[object]:
        """Delete everything except the checkpoints in `keep` and the texts of trials. Call it while no trial runs.

        Files of trials beyond the first `known` are not deleted but set aside; returns where they are then.
        """

    def set_aside(self, number: int) -> None:
        """Move all files of a trial to where nothing deletes them."""

    def make(self, trial: Path) -> None:
        """Make the folder of an attempt on this machine; raises StoreLost if the store is missing here."""

    def texts_of(self, trial: Path) -> AbstractContextManager[None]:
        """Store the texts that an attempt writes into its folder on this machine while the block runs.

        Raises StoreLost if the store cannot be reached.
        """

    def fetch_texts(self, number: int) -> None:
        """Copy the texts of all attempts at a trial to this machine, where `attempts` finds them."""


def trial_files(folder: StudyFolder) -> TrialFiles:
    """Return the files of a study's trials."""
    return files_at(folder.trials, folder.remote and folder.remote.below(folder.trials.name))


def files_at(trials: Path, remote: Remote | None) -> TrialFiles:
    """Return the files of trials in a folder, or in an object storage if the folder is only its mirror."""
    return LocalFiles(trials) if remote is None else RemoteFiles(trials, remote)


@dataclass(frozen=True)
class LocalFiles:
    """Files on a disk: this machine's own, or one shared by all machines of a cluster."""

    trials: Path

    def keep(self, checkpoint: CheckpointRef, save: SaveCheckpoint, owner: Owner | None = None) -> bool:
        final = self._path(checkpoint)
        self.make(final.parent)
        with _staging(final.parent) as staging:
            if written := _write(staging / final.name, save, owner):
                (staging / final.name).rename(final)
        return written

    def fetch(self, checkpoint: CheckpointRef) -> Path:
        return self._path(checkpoint)

    def is_intact(self, checkpoint: CheckpointRef, owner: Owner | None = None, *, unowned: bool = True) -> bool:
        path = self._path(checkpoint)
        is_behind_link = any(folder.is_symlink() for folder in (self.trials, path.parent))
        return not is_behind_link and checkpoints.is_intact(path, owner, unowned=unowned)

    def discard(self, checkpoint: CheckpointRef) -> None:
        checkpoints.discard(self._path(checkpoint))

    def tidy(self, keep: Collection[CheckpointRef], known: int | None = None) -> Collection[object]:
        return checkpoints.tidy(self.trials, {self._path(checkpoint) for checkpoint in keep}, known)

    def set_aside(self, number: int) -> None:
        for trial in sorted(self.trials.glob(f"{number:05d}-*")):
            if not trial.is_symlink():
                checkpoints.set_aside(trial)

    @contextmanager
    def texts_of(self, trial: Path) -> Iterator[None]:
        self.make(trial)
        yield

    def fetch_texts(self, number: int) -> None:
        pass

    def make(self, trial: Path) -> None:
        try:
            trial.mkdir(exist_ok=True)
        except FileNotFoundError:
            missing = f"{self.trials} does not exist on {socket.gethostname()}, where a trial runs"
            raise StoreLost(f"{missing}: a cluster needs a store that all its machines see at that path") from None

    def _path(self, checkpoint: CheckpointRef) -> Path:
        return self.trials / checkpoint.within_trials


class RemoteFiles:
    """Files in an object storage. Copies in use lie in the mirror, until the next `tidy` at the latest."""

    def __init__(self, mirror: Path, remote: Remote) -> None:
        self._mirror, self._remote = mirror, remote

    def keep(self, checkpoint: CheckpointRef, save: SaveCheckpoint, owner: Owner | None = None) -> bool:
        with TemporaryDirectory(prefix="saving-", dir=self._here()) as staging:
            draft = Path(staging) / checkpoint.name
            if written := _write(draft, save, owner):
                patiently(partial(self._push, draft, checkpoint.within_trials))
        return written

    def fetch(self, checkpoint: CheckpointRef) -> Path:
        copy = Path(mkdtemp(prefix="fetched-", dir=self._here()))
        weakref.finalize(self, shutil.rmtree, copy, ignore_errors=True)
        patiently(partial(self._remote.pull_folder, checkpoint.within_trials, copy))
        return copy

    def is_intact(self, checkpoint: CheckpointRef, owner: Owner | None = None, *, unowned: bool = True) -> bool:
        with TemporaryDirectory(prefix="fetched-", dir=self._here()) as name:
            copy = Path(name)
            patiently(partial(self._remote.pull_folder, checkpoint.within_trials, copy))
            return checkpoints.is_intact(copy, owner, unowned=unowned)

    def discard(self, checkpoint: CheckpointRef) -> None:
        self._remote.delete_soon(checkpoint.within_trials)

    def tidy(self, keep: Collection[CheckpointRef], known: int | None = None) -> Collection[object]:
        names = [name.split("/") for name in patiently(partial(self._remote.names, deep=True))]
        unknown = {name[0] for name in names if is_beyond(name[0], known)}
        aside = [self._set_aside(folder) for folder in sorted(unknown)]
        known_names = [name for name in names if name[0] not in unknown]
        kept = {(checkpoint.attempt, checkpoint.name) for checkpoint in keep}
        holders = {trial for trial, _ in kept} | {trial for trial, *within in known_names if _is_text(within)}
        trials = {trial for trial, *_ in known_names if trial not in holders}
        rest = {(trial, within[0]) for trial, *within in known_names if trial in holders and within} - kept
        unneeded = [*trials, *(f"{trial}/{name}" for trial, name in rest if name not in TEXTS)]
        for deletion in [self._remote.delete_soon(folder) for folder in unneeded]:
            deletion.result()
        checkpoints.tidy(self._mirror, ())
        return aside

    @contextmanager
    def texts_of(self, trial: Path) -> Iterator[None]:
        self.make(trial)
        try:
            yield
        finally:
            for text in texts(trial):
                patiently(partial(self._remote.push, text, text.relative_to(self._mirror).as_posix()))

    def make(self, trial: Path) -> None:
        trial.mkdir(parents=True, exist_ok=True)

    def fetch_texts(self, number: int) -> None:
        names = [name.split("/") for name in patiently(partial(self._remote.names, deep=True))]
        for trial, *within in names:
            if _is_text(within) and is_attempt(trial, number):
                self._remote.pull(f"{trial}/{within[0]}", self._mirror / trial / within[0])

    def set_aside(self, number: int) -> None:
        names = {name.split("/")[0] for name in patiently(partial(self._remote.names, deep=True))}
        for folder in sorted(name for name in names if is_attempt(name, number)):
            self._set_aside(folder)

    def _set_aside(self, folder: str) -> str:
        patiently(partial(self._remote.move_beside, folder, ASIDE))
        return self._remote.parent.below(f"{ASIDE}/{folder}").url

    def _here(self) -> Path:
        self._mirror.mkdir(parents=True, exist_ok=True)
        return self._mirror

    def _push(self, draft: Path, name: str) -> None:
        files = sorted(path for path in draft.rglob("*") if path.is_file() and path.name != SEAL)
        for path in (*files, draft / SEAL):  # the seal last: without it the checkpoint is not intact
            self._remote.add(path, f"{name}/{path.relative_to(draft).as_posix()}")


def _is_text(within: list[str]) -> bool:
    return len(within) == 1 and within[0] in TEXTS


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Make a folder for drafts within another, which goes with the block and with all that is left in it."""
    staging = Path(mkdtemp(prefix="saving-", dir=folder))
    try:
        yield staging
    finally:
        try:
            staging.rmdir()  # nothing is left in it, unless the block was broken off
        except OSError:
            checkpoints.discard(staging)


def _write(folder: Path, save: SaveCheckpoint, owner: Owner | None) -> bool:
    """Save a checkpoint and seal it; return False if nothing was saved."""
    folder.mkdir()
    save(folder)
    if not any(folder.iterdir()):
        folder.rmdir()
        return False
    seal(folder, owner)
    return True

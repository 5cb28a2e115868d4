"""The files of trials, wherever their study lies: checkpoints are written whole or not at all, and go when told to.

A CheckpointRef names a checkpoint wherever it lies; here it becomes a path on a disk, or an object's key in a storage.
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
        """Let `save` write a checkpoint, and put it there as a whole, sealed as `owner`'s.

        Return whether it wrote anything. Raises StoreLost where the store is not, or not any more.
        """

    def fetch(self, checkpoint: CheckpointRef) -> Path:
        """Return a folder of this machine with what a checkpoint holds, which lasts as long as this object."""

    def is_intact(self, checkpoint: CheckpointRef, owner: Owner | None = None, *, unowned: bool = True) -> bool:
        """Return whether a checkpoint holds what was sealed, and is the owner's; reads all of it.

        `unowned` allows for a seal that names no owner.
        """

    def discard(self, checkpoint: CheckpointRef) -> None:
        """Delete a checkpoint now or soon. What cannot be deleted is left for the next `tidy`."""

    def tidy(self, keep: Collection[CheckpointRef], known: int | None = None) -> Collection[object]:
        """Delete everything but the checkpoints in `keep` and what trials have said. Call it while no trial runs.

        Of trials beyond the first `known` nothing is deleted: it is set aside, and where it lies is returned.
        """

    def set_aside(self, number: int) -> None:
        """Move all that belongs to a trial out of the way, where nothing deletes it."""

    def make(self, trial: Path) -> None:
        """Make a trial's folder on this machine; raises StoreLost where the store is not there."""

    def texts_of(self, trial: Path) -> AbstractContextManager[None]:
        """Let a trial write texts into its folder on this machine while the block runs, and keep them.

        Raises StoreLost where the store is not there.
        """

    def fetch_texts(self, number: int) -> None:
        """Bring what a trial has said in all its attempts to this machine, where `attempts` finds it."""


def trial_files(folder: StudyFolder) -> TrialFiles:
    """Return the files of a study's trials."""
    return files_at(folder.trials, folder.remote and folder.remote.below(folder.trials.name))


def files_at(trials: Path, remote: Remote | None) -> TrialFiles:
    """Return the files of trials in a folder, or of those in an object storage of which the folder is the mirror."""
    return LocalFiles(trials) if remote is None else RemoteFiles(trials, remote)


@dataclass(frozen=True)
class LocalFiles:
    """Files on a disk, this machine's own or one that all machines of a cluster see."""

    trials: Path

    def keep(self, checkpoint: CheckpointRef, save: SaveCheckpoint, owner: Owner | None = None) -> bool:
        final = self._path(checkpoint)
        self.make(final.parent)
        with TemporaryDirectory(prefix="saving-", dir=final.parent) as staging:
            made = Path(staging) / final.name
            if written := _written(made, save, owner):
                made.rename(final)
        return written

    def fetch(self, checkpoint: CheckpointRef) -> Path:
        return self._path(checkpoint)

    def is_intact(self, checkpoint: CheckpointRef, owner: Owner | None = None, *, unowned: bool = True) -> bool:
        path = self._path(checkpoint)
        beyond = any(folder.is_symlink() for folder in (self.trials, path.parent))
        return not beyond and checkpoints.is_intact(path, owner, unowned=unowned)

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
            away = f"{self.trials} is not there on {socket.gethostname()}, where a trial runs"
            raise StoreLost(f"{away}: a cluster needs a store that all its machines see at that path") from None

    def _path(self, checkpoint: CheckpointRef) -> Path:
        return self.trials / checkpoint.within_trials


class RemoteFiles:
    """Files in an object storage. Copies that are at work lie in the mirror until the next `tidy` at the latest."""

    def __init__(self, mirror: Path, remote: Remote) -> None:
        self._mirror, self._remote = mirror, remote

    def keep(self, checkpoint: CheckpointRef, save: SaveCheckpoint, owner: Owner | None = None) -> bool:
        with TemporaryDirectory(prefix="saving-", dir=self._here()) as staging:
            made = Path(staging) / checkpoint.name
            if written := _written(made, save, owner):
                patiently(partial(self._push, made, checkpoint.within_trials))
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
        there = [name for name in names if name[0] not in unknown]
        kept = {(checkpoint.attempt, checkpoint.name) for checkpoint in keep}
        holders = {trial for trial, _ in kept} | {trial for trial, *within in there if _is_text(within)}
        trials = {trial for trial, *_ in there if trial not in holders}
        rest = {(trial, within[0]) for trial, *within in there if trial in holders and within} - kept
        doomed = [*trials, *("/".join(one) for one in rest if one[1] not in TEXTS)]
        for deletion in [self._remote.delete_soon(folder) for folder in doomed]:
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

    def _push(self, made: Path, name: str) -> None:
        files = sorted(path for path in made.rglob("*") if path.is_file() and path.name != SEAL)
        for path in (*files, made / SEAL):  # last: without it nothing of this counts
            self._remote.add(path, f"{name}/{path.relative_to(made).as_posix()}")


def _is_text(within: list[str]) -> bool:
    return len(within) == 1 and within[0] in TEXTS


def _written(folder: Path, save: SaveCheckpoint, owner: Owner | None) -> bool:
    folder.mkdir()
    save(folder)
    if not any(folder.iterdir()):
        return False
    seal(folder, owner)
    return True

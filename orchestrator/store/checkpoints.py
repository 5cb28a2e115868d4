"""Seal and check checkpoints on a disk, and delete files of trials that nobody needs.

These are checkpoints that a finished trial no longer needs, and whatever a killed process left behind.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from orchestrator.store.attempts import TEXTS, is_beyond, texts
from trainables.errors import InvalidValue

SEAL: Final = "seal.json"
"""The file in a checkpoint that holds the hashes of all others, and the checkpoint's owner."""

ASIDE: Final = "set-aside"
"""The folder next to `trials` for trials that the ledger does not know."""


@dataclass(frozen=True)
class Owner:
    """The owner of a checkpoint: a trial of a study, with the digest of its configuration, after some epochs."""

    study: str
    trial: int
    configuration: str
    epoch: int

    def owns(self, sealed: "Owner") -> bool:
        """Return whether a checkpoint's sealed owner is this trial, at an epoch that this one has reached."""
        return replace(sealed, epoch=self.epoch) == self and sealed.epoch <= self.epoch


def seal(checkpoint: Path, owner: Owner | None = None) -> None:
    """Write a checkpoint's hashes and owner into its seal, so that damage or a foreign checkpoint is recognised."""
    sealed = {"files": _hashes(checkpoint), "owner": owner and asdict(owner)}
    (checkpoint / SEAL).write_text(json.dumps(sealed), encoding="utf-8")


def is_intact(checkpoint: Path, owner: Owner | None = None, *, unowned: bool = True) -> bool:
    """Return whether a checkpoint matches its seal, and belongs to `owner` if one is given; reads all of it.

    If `unowned` is allowed, the seal need not name an owner: version 0.1.0 named none. A checkpoint with a link, a pipe
    or a device in it is not intact.
    """
    if not all(map(_is_plain, (checkpoint, *checkpoint.rglob("*")))):
        return False
    try:
        files, sealed = _read_seal(checkpoint)
    except (OSError, ValueError, TypeError, RecursionError):
        return False
    is_owners = unowned if sealed is None else owner is None or owner.owns(sealed)
    return is_owners and files == _hashes(checkpoint)


def owner_of(checkpoint: Path) -> Owner | None:
    """Return the owner of a checkpoint by its seal; None if the seal names none or cannot be read."""
    try:
        return _read_seal(checkpoint)[1]
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and (path.is_file() or path.is_dir())


def _read_seal(checkpoint: Path) -> tuple[dict[str, Any], Owner | None]:
    """Return the hashes and the owner in a seal; raises TypeError if it has neither form that there ever was."""
    sealed = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
    if not isinstance(sealed, dict):
        raise TypeError(f"a seal is an object, not {sealed!r}")
    if not isinstance(sealed.get("files"), dict):
        return sealed, None  # version 0.1.0 sealed hashes alone
    owner = Owner(**sealed["owner"]) if sealed.get("owner") else None
    if owner is not None and not isinstance(owner.epoch, int):
        raise TypeError(f"an epoch is a whole number, not {owner.epoch!r}")
    return sealed["files"], owner


def _hashes(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(checkpoint).as_posix(): _hash(path) for path in files}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def discard(folder: Path) -> None:
    """Delete a folder. What a dying worker writes into it meanwhile is left for the next `tidy`."""
    shutil.rmtree(folder, ignore_errors=True)


def tidy(trials: Path, keep: Collection[Path], known: int | None = None) -> list[Path]:
    """Delete everything below `trials` except the checkpoints in `keep` and the texts of trials.

    Call it while no trial runs. `keep` and the number of `known` trials come from the ledger: the folders of other
    trials are not deleted but set aside; returns where they are then. Links are deleted, never followed; raises
    InvalidValue if `trials` itself is one.
    """
    if trials.is_symlink():
        raise InvalidValue(
            "trials", str(trials), "must be no link: all below it would be deleted; move the whole store"
        )
    holders, aside = {checkpoint.parent for checkpoint in keep}, []
    for trial in trials.glob("*"):
        if trial.is_symlink() or not trial.is_dir():
            trial.unlink()
        elif is_beyond(trial.name, known):
            aside.append(set_aside(trial))
        elif trial not in holders and not any(texts(trial)):
            discard(trial)
        else:
            _tidy_trial(trial, keep)
    return aside


def set_aside(trial: Path) -> Path:
    """Move the folder of an attempt at a trial next to `trials`; return its new path."""
    folder = trial.parent.with_name(ASIDE)
    if folder.is_symlink():
        raise InvalidValue(ASIDE, str(folder), "must be no link: what is set aside would leave the store; delete it")
    folder.mkdir(exist_ok=True)
    names = (f"{trial.name}.{number}" if number else trial.name for number in count())
    aside = next(folder / name for name in names if not os.path.lexists(folder / name))
    trial.rename(aside)
    return aside


def _tidy_trial(trial: Path, keep: Collection[Path]) -> None:
    for path in trial.iterdir():
        if path.is_symlink() or (path.is_file() and path.name not in TEXTS):
            path.unlink()
        elif path.is_dir() and path not in keep:
            discard(path)

"""The files of trials: which of them are whole and whose they are, and which may go.

What a told trial no longer needs goes, and so does what a killed process left behind.
"""

import hashlib
import json
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from orchestrator.store.attempts import TEXTS, is_beyond, texts
from trainables.errors import InvalidValue

SEAL: Final = "seal.json"
"""The file beside a checkpoint's others that holds their hashes, and whose it is."""

ASIDE: Final = "set-aside"
"""The folder beside `trials` for those that the ledger does not know."""


@dataclass(frozen=True)
class Owner:
    """Whose a checkpoint is: a trial of a study, with the digest of its configuration, after so many epochs."""

    study: str
    trial: int
    configuration: str
    epoch: int

    def owns(self, sealed: "Owner") -> bool:
        """Return whether a sealed checkpoint is this trial's, from an epoch that this one has reached."""
        return replace(sealed, epoch=self.epoch) == self and sealed.epoch <= self.epoch


def seal(checkpoint: Path, owner: Owner | None = None) -> None:
    """Write down what a checkpoint holds and whose it is, so that a part of it, or another trial's, is recognised."""
    sealed = {"files": _hashes(checkpoint), "owner": owner and asdict(owner)}
    (checkpoint / SEAL).write_text(json.dumps(sealed), encoding="utf-8")


def is_intact(checkpoint: Path, owner: Owner | None = None, *, unowned: bool = True) -> bool:
    """Return whether a checkpoint holds what was sealed, and is the owner's if one is given; reads all of it.

    Where `unowned` is allowed, a seal need not name an owner: version 0.1.0 named none. Nothing that holds a link is
    intact.
    """
    if checkpoint.is_symlink() or any(path.is_symlink() for path in checkpoint.rglob("*")):
        return False
    try:
        files, sealed = _read_seal(checkpoint)
    except (OSError, ValueError, TypeError):
        return False
    is_owners = unowned if sealed is None else owner is None or owner.owns(sealed)
    return is_owners and files == _hashes(checkpoint)


def owner_of(checkpoint: Path) -> Owner | None:
    """Return whose a checkpoint is by its seal; None if that does not say."""
    try:
        return _read_seal(checkpoint)[1]
    except (OSError, ValueError, TypeError):
        return None


def _read_seal(checkpoint: Path) -> tuple[dict[str, Any], Owner | None]:
    sealed = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
    if not isinstance(sealed.get("files"), dict):
        return sealed, None  # version 0.1.0 sealed hashes alone
    return sealed["files"], Owner(**sealed["owner"]) if sealed.get("owner") else None


def _hashes(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(checkpoint).as_posix(): _hash(path) for path in files}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def discard(folder: Path) -> None:
    """Delete a folder. What a dying worker still writes into it is left for the next `tidy`."""
    shutil.rmtree(folder, ignore_errors=True)


def tidy(trials: Path, keep: Collection[Path], known: int | None = None) -> list[Path]:
    """Delete everything below `trials` but the checkpoints in `keep` and what trials have said.

    Call it while no trial runs. Only the ledger knows which checkpoints are needed, so `keep` comes from there, and how
    many trials are `known`: the folders of others are set aside instead, and returned as they lie then. Links
    are deleted, never followed; raises InvalidValue if `trials` is one itself.
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
    """Move the folder of an attempt at a trial out of the way; return where it is."""
    folder = trial.parent.with_name(ASIDE)
    folder.mkdir(exist_ok=True)
    if folder.is_symlink():
        raise InvalidValue(ASIDE, str(folder), "must be no link: what is set aside would leave the store; delete it")
    aside = next(place for n in count() if not (place := folder / (f"{trial.name}.{n}" if n else trial.name)).exists())
    trial.rename(aside)
    return aside


def _tidy_trial(trial: Path, keep: Collection[Path]) -> None:
    for path in trial.iterdir():
        if path.is_symlink() or (path.is_file() and path.name not in TEXTS):
            path.unlink()
        elif path.is_dir() and path not in keep:
            discard(path)

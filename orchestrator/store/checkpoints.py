"""The files of trials: which of them are whole, and which may go.

What a told trial no longer needs goes, and so does what a killed process left behind.
"""

import hashlib
import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from orchestrator.store.attempts import TEXTS, texts
from trainables.errors import InvalidValue

SEAL: Final = "seal.json"
"""The file beside a checkpoint's others that holds their hashes."""


def seal(checkpoint: Path) -> None:
    """Write down what a checkpoint holds, so that what a power failure leaves of it is not taken for whole."""
    (checkpoint / SEAL).write_text(json.dumps(_hashes(checkpoint)), encoding="utf-8")


def is_intact(checkpoint: Path) -> bool:
    """Say whether a checkpoint holds what was sealed; reads all of it. Early ones have no seal, and are never empty."""
    if not (checkpoint / SEAL).exists():
        sizes = [path.stat().st_size for path in checkpoint.rglob("*") if path.is_file()]
        return bool(sizes) and all(sizes)
    try:
        sealed = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(sealed == _hashes(checkpoint))


def _hashes(checkpoint: Path) -> dict[str, str]:
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(checkpoint).as_posix(): _hash(path) for path in files}


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def discard(folder: Path) -> None:
    """Delete a folder. What a dying worker still writes into it is left for the next `tidy`."""
    shutil.rmtree(folder, ignore_errors=True)


def tidy(trials: Path, keep: Collection[Path]) -> None:
    """Delete everything below `trials` but the checkpoints in `keep` and what trials have said.

    Call it while no trial runs. Only the ledger knows which checkpoints are whole, so `keep` comes from there. Links
    are deleted, never followed; raises InvalidValue if `trials` is one itself.
    """
    if trials.is_symlink():
        raise InvalidValue(
            "trials", str(trials), "must be no link: all below it would be deleted; move the whole store"
        )
    holders = {checkpoint.parent for checkpoint in keep}
    for trial in trials.glob("*"):
        if trial.is_symlink() or not trial.is_dir():
            trial.unlink()
        elif trial not in holders and not any(texts(trial)):
            discard(trial)
        else:
            _tidy_trial(trial, keep)


def _tidy_trial(trial: Path, keep: Collection[Path]) -> None:
    for found in trial.iterdir():
        if found.is_symlink() or (found.is_file() and found.name not in TEXTS):
            found.unlink()
        elif found.is_dir() and found not in keep:
            discard(found)

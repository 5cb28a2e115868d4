"""The files of trials: what a told trial no longer needs goes, and so does what a killed process left behind."""

import shutil
from collections.abc import Collection
from pathlib import Path

ERROR_TEXT = "error.txt"
"""The file in which Ray Tune keeps the traceback of a trial's failures."""


def discard(folder: Path) -> None:
    """Delete a folder. What a dying worker still writes into it is left for the next `tidy`."""
    shutil.rmtree(folder, ignore_errors=True)


def tidy(trials: Path, keep: Collection[Path]) -> None:
    """Delete everything below `trials` but the checkpoints in `keep` and the texts of errors.

    Call it while no trial runs. Only the ledger knows which checkpoints are whole, so `keep` comes from there.
    """
    holders = {checkpoint.parent for checkpoint in keep}
    for trial in trials.glob("*"):
        if not trial.is_dir():
            trial.unlink()
        elif trial not in holders and not (trial / ERROR_TEXT).exists():
            discard(trial)
        else:
            _tidy_trial(trial, keep)


def _tidy_trial(trial: Path, keep: Collection[Path]) -> None:
    for found in trial.iterdir():
        if found.is_dir() and found not in keep:
            discard(found)
        elif found.is_file() and found.name != ERROR_TEXT:
            found.unlink()

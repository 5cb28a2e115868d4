"""The stamp of a study: the code, machine and data that it was launched with."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from orchestrator.safe_files import write_whole
from orchestrator.spec.urls import masked
from trainables.code import code_of
from trainables.errors import InvalidValue

PACKAGES: Final = ("espalier", "torch", "torchvision", "ray", "optuna", "mlflow", "numpy", "torch-pruning")


def stamp(data_hash: str, referred: Sequence[str] = (), weights: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Describe this machine and its software; `data_hash` identifies the dataset as it is split, or is empty if none
    was read.

    `code` describes the packages that the study is `referred` to; `weights` are the SHA-256 of the weights that its
    networks start from, by what the study says of them. `git_commit` is that of the current folder, ending in
    ``-dirty`` if it holds changes, and None outside of git.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "data_hash": data_hash,
        "weights": dict(weights or {}),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": {name: version(name) for name in PACKAGES},
        "code": {package: code_of(package) for package in referred},
        "command": [masked(word) for word in sys.argv],
    }


def write(path: Path, stamped: dict[str, Any]) -> None:
    """Write a stamp as JSON, atomically."""
    write_whole(path, (json.dumps(stamped, indent=2) + "\n").encode())


def read(path: Path) -> dict[str, Any]:
    """Return the stamp that `write` wrote; raises InvalidValue if it is missing or something else."""
    try:
        stamped = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        stamped = None
    if not isinstance(stamped, dict) or not {"git_commit", "data_hash"} <= stamped.keys():
        allowed = f"does not say what the study ran on; `espalier resume {path.parent.name}` writes it again"
        raise InvalidValue("stamp", str(path), allowed)
    return stamped


def other_code(stamped: Mapping[str, Any], referred: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each package that is no longer the one with which a study began."""
    began = stamped.get("code", {})
    for package in referred:
        now = code_of(package)
        if began.get(package, now) != now:
            yield f"{package} has changed since the study began: it is {now}, and was {began[package]}"


def require_same_data(stamped: Mapping[str, Any], name: str, digest: str) -> None:
    """Raise InvalidValue if the dataset of that name is not the one with which a study began, if its stamp says."""
    began = stamped["data_hash"]
    if began and began != digest:
        changed = f"has changed since the launch (hash {digest[:12]}, was {began[:12]})"
        raise InvalidValue("data.name", name, f"{changed}: put the old data back, or launch a new study")


def _git_commit() -> str | None:
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        described = subprocess.run(describe, capture_output=True, text=True, check=False, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None

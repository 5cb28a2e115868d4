"""What a study ran on, written down when it is launched."""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from orchestrator.spec.urls import masked

PACKAGES: Final = ("espalier", "torch", "torchvision", "ray", "optuna", "mlflow", "numpy", "torch-pruning")


def stamp(data_hash: str) -> dict[str, Any]:
    """Describe this machine and its software; `data_hash` identifies the dataset as it is split.

    `git_commit` is that of the current folder, ending in ``-dirty`` if it holds changes, and None outside of git.
    """
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "data_hash": data_hash,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "versions": {name: version(name) for name in PACKAGES},
        "command": [masked(word) for word in sys.argv],
    }


def write(path: Path, stamped: dict[str, Any]) -> None:
    """Write a stamp as JSON."""
    path.write_text(json.dumps(stamped, indent=2) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Read what `write` wrote."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _git_commit() -> str | None:
    describe = ["git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"]
    try:
        found = subprocess.run(describe, capture_output=True, text=True, check=False, timeout=20)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None

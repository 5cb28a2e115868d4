"""kill -9 of a worker and of Ray's raylet at random moments: the study survives by itself and loses nothing."""

import os
import random
import tempfile
from pathlib import Path

from benchmarks.faults import run_study


def test_a_study_survives_the_death_of_workers_and_of_ray_itself() -> None:
    chance = random.Random(int(os.environ.get("ESPALIER_KILL_SEED", "0")))
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp", ignore_cleanup_errors=True) as root:  # for Ray's sockets
        findings = run_study(Path(root), ["worker", "raylet", "worker"], chance)
    assert findings.kills["raylet"] == 1
    assert +findings.violations == {}

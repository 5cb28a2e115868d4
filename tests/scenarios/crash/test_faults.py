"""kill -9 of a worker, of Ray's raylet and of its control store: the study survives by itself and loses nothing."""

import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults import run_study


def test_a_study_survives_the_death_of_workers_and_of_ray_itself() -> None:
    chance = random.Random(int(os.environ.get("ESPALIER_KILL_SEED", "0")))
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp", ignore_cleanup_errors=True) as root:  # for Ray's sockets
        findings = run_study(Path(root), ["worker", "raylet", "worker"], chance, trials=24)
    assert findings.kills["raylet"] == 1
    assert findings.kills["worker"] >= 1
    assert +findings.violations == {}


def test_a_study_survives_the_death_of_rays_control_store() -> None:
    chance = random.Random(int(os.environ.get("ESPALIER_KILL_SEED", "0")))
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp", ignore_cleanup_errors=True) as root:
        findings = run_study(Path(root), ["control store"], chance, trials=24)
        said = (Path(root) / "studies" / "faults" / "driver.log").read_text()
    assert findings.kills["control store"] == 1
    assert "Ray died on this machine and is restarted" in said
    assert +findings.violations == {}


class AtOnce(random.Random):
    """Chooses the first moment there is."""

    def sample(self, population: Sequence[Any], k: int, **_: Any) -> list[Any]:
        return list(population[:k])

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def test_ray_may_die_before_any_trial_has_reported() -> None:
    with tempfile.TemporaryDirectory(prefix="f-", dir="/tmp", ignore_cleanup_errors=True) as root:
        findings = run_study(Path(root), ["raylet"], AtOnce(), trials=8)
        said = (Path(root) / "studies" / "faults" / "driver.log").read_text()
    assert findings.kills["raylet"] == 1
    assert "Ray died on this machine and is restarted" in said
    assert +findings.violations == {}

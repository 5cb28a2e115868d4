"""The command line for tests, and a study for it to look at."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.verdict import Decision, Verdict
from tests.orchestrator import small

Answer = tuple[int, str, str]
"""Exit status, standard output, standard error."""
Espalier = Callable[..., Answer]


def a_study(store: Path, trial_reason: str = "ValueError: unlucky", **changes: Any) -> StudySpec:
    """Leave a study in the store: six toy trials, of which one failed, one was stopped early and one still runs."""
    spec = small.study(trials=6, seed=3, paradigms={"dense": {}, "magnitude": small.FIXED}, **changes)
    folder = Store(store).study(spec.name)
    with small.ledger_of(spec, store) as ledger:
        folder.spec.write_text(spec.as_yaml(), encoding="utf-8")
        stamp.write(folder.stamp, stamp.stamp(data_hash=""))
        sweep = Sweep(ledger, small.Silence())
        for _ in range(3):
            small.run_to_end(sweep, _next(sweep))
        sweep.fail(_next(sweep).number, Breakdown(Failure.ERROR, trial_reason))
        stopped = _next(sweep)
        sweep.report(stopped.number, small.epoch(sweep, stopped, 1))
        sweep.end(stopped.number, Verdict(Decision.STOP, "hopeless"))
        sweep.begin(_next(sweep).number)
    return spec


def _next(sweep: Sweep) -> Any:
    trial = sweep.next()
    assert trial is not None
    return trial


def espalier_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from orchestrator.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

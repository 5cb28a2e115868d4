"""What a sweep costs beside its trials: 200 trials that do nothing, run by espalier and by Ray Tune.

    python benchmarks/orchestration.py [--trials 200] [--repeats 3]

`espalier` draws by random search, keeps its ledger and shows every trial in MLflow. `ray tune` is Ray Tune as it comes:
random search, its CSV, JSON and TensorBoard loggers, its snapshots. `ray tune, bare` has no loggers and no snapshots:
the ceiling. All reuse actors; each run is a process of its own, and they take turns. Ray is up when the time begins.

The time of a sweep ends with its last trial. `espalier, all in` is the whole of `study.launch`: the data are read and
hashed before, and after the last trial MLflow is waited for until it has everything, the front's picture included.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from orchestrator.records import State, TrialRecord
from orchestrator.worker import WorkerContext
from trainables.context import Report
from trainables.spec import TrialSpec

CONTENDERS = ("espalier", "ray tune", "ray tune, bare")
ROWS = ("espalier", "espalier, all in", "ray tune", "ray tune, bare")


class Stopwatch:
    """Watches a study: when it begins, and when its last trial is told."""

    def started(self, *_: object) -> None:
        self.begun = time.perf_counter()

    def updated(self, record: TrialRecord) -> None:
        if record.finished is not None:
            self.last_told = time.perf_counter()

    def finished(self, *_: object) -> None:
        pass


def do_nothing(spec: TrialSpec, context: WorkerContext) -> None:
    """Report one epoch, which is the last."""
    figures = {"accuracy": 0.5, "loss": 1.0, "macs_projected": 1.0, "params_projected": 1.0}
    rest = {"stage": "train", "train_loss": 1.0, "learning_rate": 0.1, "seconds": 0.0}
    metrics = {"accuracy": 0.5, "macs": float(spec.hyperparameters.get("sparsity", 0.5))}
    context.report(Report(epoch=1, fidelity=1.0, metrics=metrics, **figures, **rest), lambda _: None)  # type: ignore[arg-type]


def espalier(trials: int, folder: Path) -> dict[str, float]:
    """Run a study to its end and return the seconds of its sweep, and of everything."""
    from orchestrator import study
    from orchestrator.cluster import ray_session
    from orchestrator.spec import StudySpec
    from orchestrator.store import Store

    spec = StudySpec.model_validate_json(
        f"""{{"name": "nothing", "data": {{"name": "digits"}}, "model": {{"name": "mlp"}},
        "paradigms": {{"magnitude": {{}}}}, "search": {{"sampler": "random", "trials": {trials}}},
        "fidelity": {{"epochs": 10}}}}"""
    )
    with ray_session(folder / "ray.log"):
        import orchestrator.execution  # noqa: F401 - so that Ray Tune is imported before the time begins, as for the others

        watch, begun = Stopwatch(), time.perf_counter()
        outcome = study.launch(spec, Store(folder), observer=watch, run="orchestration:do_nothing")
        ended = time.perf_counter()
    assert [record.state for record in outcome.records] == [State.COMPLETE] * trials
    return {"espalier": watch.last_told - watch.begun, "espalier, all in": ended - begun}


def ray_tune(trials: int, folder: Path, *, bare: bool = False) -> dict[str, float]:
    """Run as many trials in Ray Tune and return the seconds of its sweep."""
    if bare:
        os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1000000"}
    import ray
    from ray import tune

    ray.init(include_dashboard=False, log_to_driver=False, _temp_dir=str(folder / "ray"))
    space = {
        "granularity": tune.choice(["weight", "filter"]),
        "sparsity": tune.uniform(0.3, 0.98),
        "criterion": tune.choice(["magnitude", "l2"]),
        "scope": tune.choice(["global", "layer"]),
        "schedule": tune.choice(["one_shot", "iterative", "gradual"]),
        "finetune": tune.uniform(0.2, 0.7),
        "finetune_lr": tune.loguniform(0.05, 1.0),
    }

    def report_once(config: dict[str, Any]) -> None:
        tune.report({"accuracy": 0.5, "macs": config["sparsity"], "loss": 1.0, "epoch": 1, "fidelity": 1.0})

    begun = time.perf_counter()
    results = tune.Tuner(
        report_once,
        param_space=space,
        tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()
    taken = time.perf_counter() - begun
    assert len(results) == trials
    assert not results.errors
    return {"ray tune, bare" if bare else "ray tune": taken}


def measure(contender: str, trials: int) -> dict[str, float]:
    """Return the seconds that one contender takes, in a process and a folder of its own."""
    command = [sys.executable, __file__, "--trials", str(trials), "--only", contender]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds: dict[str, float] = json.loads(printed.splitlines()[-1])
    return seconds


def run_here(contender: str, trials: int) -> dict[str, float]:
    """Return the seconds that one contender takes in this process."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="orchestration-", ignore_cleanup_errors=True) as folder:
        if contender == "espalier":
            return espalier(trials, Path(folder))
        return ray_tune(trials, Path(folder), bare=contender == "ray tune, bare")


def compare(trials: int, repeats: int) -> None:
    """Let the contenders take turns and print what they achieved."""
    from rich.console import Console
    from rich.table import Table

    runs = [measure(contender, trials) for _ in range(repeats) for contender in CONTENDERS]
    seconds = {row: [run[row] for run in runs if row in run] for row in ROWS}
    rates = {row: trials / statistics.median(taken) for row, taken in seconds.items()}
    table = Table(
        "", "seconds", "trials per second (median)", "against ray tune", title=f"{trials} trials that do nothing"
    )
    for row, rate in rates.items():
        taken = ", ".join(f"{one:.1f}" for one in seconds[row])
        table.add_row(row, taken, f"{rate:.1f}", f"{rate / rates['ray tune']:.2f}")
    Console().print(table)


def main() -> None:
    """Print the table, or, for one contender, its seconds."""
    parser = argparse.ArgumentParser(description="Compare the costs of orchestration.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(run_here(chosen.only, chosen.trials)))
    else:
        compare(chosen.trials, chosen.repeats)


if __name__ == "__main__":
    main()

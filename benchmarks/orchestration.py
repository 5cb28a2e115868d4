"""What a sweep costs beside its trials: trials that do nothing, run by espalier, by Ray Tune and by Syne Tune.

    python benchmarks/orchestration.py [--trials 200] [--repeats 3] [--syne-tune PYTHON]

`espalier` draws by random search, keeps its ledger and shows every trial in MLflow. `ray tune` is Ray Tune as it comes:
random search, its CSV, JSON and TensorBoard loggers, its snapshots. `ray tune, bare` has no loggers and no snapshots,
as a careful user writes it. All reuse actors. `syne tune` takes part where a Python that has it is named; it starts a
process for every trial, and the rate of FEW trials is taken for that of all. Each run is a process and a folder of its
own, and the contenders take turns.

Trials per second are counted until the last trial has reported, from when Ray is up and everything is imported. The
whole call is longer: Ray Tune ends its actors and writes a last snapshot; espalier also reads and hashes the data
before, and afterwards waits until MLflow has everything, the picture of the front included.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestrator.execution.trial_context import WorkerContext
from orchestrator.ledger.records import State, TrialRecord
from trainables.context import Report
from trainables.spec import TrialSpec

CONTENDERS = ("espalier", "ray tune", "ray tune, bare")
SYNE_TUNE = "syne tune"
FEW = 50


@dataclass(frozen=True)
class Seconds:
    """How long a run took: until its last trial had reported, and until the call returned."""

    sweep: float
    call: float


class Stopwatch:
    """Watches a study: when it begins, and when its last trial is told."""

    def started(self, *_: object) -> None:
        self.begun = time.time()

    def updated(self, record: TrialRecord) -> None:
        if record.finished is not None:
            self.last_told = time.time()

    def finished(self, *_: object) -> None:
        pass


def do_nothing(spec: TrialSpec, context: WorkerContext) -> None:
    """Report one epoch, which is the last."""
    figures = {"accuracy": 0.5, "loss": 1.0, "macs_projected": 1.0, "params_projected": 1.0}
    rest = {"stage": "train", "train_loss": 1.0, "learning_rate": 0.1, "seconds": 0.0}
    metrics = {"accuracy": 0.5, "macs": float(spec.hyperparameters.get("sparsity", 0.5))}
    context.report(Report(epoch=1, fidelity=1.0, metrics=metrics, **figures, **rest), lambda _: None)  # type: ignore[arg-type]


def espalier(trials: int, folder: Path) -> Seconds:
    """Run a study to its end."""
    from orchestrator import study
    from orchestrator.execution.cluster import ray_session
    from orchestrator.spec.study_spec import StudySpec
    from orchestrator.store.store import Store

    spec = StudySpec.model_validate_json(
        f"""{{"name": "nothing", "data": {{"name": "digits"}}, "model": {{"name": "mlp"}},
        "paradigms": {{"magnitude": {{}}}}, "search": {{"sampler": "random", "trials": {trials}}},
        "fidelity": {{"epochs": 10}}}}"""
    )
    with ray_session(folder / "ray.log", ready=True):  # as `study.launch` starts it
        import orchestrator.execution.tune_run  # noqa: F401 - imports Ray Tune, as the others have done before they begin

        watch, begun = Stopwatch(), time.time()
        outcome = study.launch(spec, Store(folder), observer=watch, run="orchestration:do_nothing")
        ended = time.time()
    assert [record.state for record in outcome.records] == [State.COMPLETE] * trials
    return Seconds(sweep=watch.last_told - watch.begun, call=ended - begun)


def ray_tune(trials: int, folder: Path, *, bare: bool) -> Seconds:
    """Run as many trials in Ray Tune."""
    if bare:
        os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1000000"}
    import ray
    from ray import tune

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
        figures = {"accuracy": 0.5, "macs": config["sparsity"], "loss": 1.0, "epoch": 1, "fidelity": 1.0}
        tune.report({**figures, "reported": time.time()})

    ray.init(include_dashboard=False, log_to_driver=False, _temp_dir=str(folder / "ray"))
    begun = time.time()
    results = tune.Tuner(
        report_once,
        param_space=space,
        tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()
    ended = time.time()
    assert len(results) == trials
    assert not results.errors
    last = max(result.metrics["reported"] for result in results)
    return Seconds(sweep=last - begun, call=ended - begun)


def measure(contender: str, trials: int, syne_tune: str | None) -> Seconds:
    """Let one contender run in a process of its own."""
    command = [sys.executable, __file__, "--trials", str(trials), "--only", contender]
    if contender == SYNE_TUNE and syne_tune:
        command = [syne_tune, str(Path(__file__).with_name("syne_tune_stub.py")), "--trials", str(trials)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Seconds(**json.loads(printed.splitlines()[-1]))


def run_here(contender: str, trials: int) -> Seconds:
    """Let one contender run in this process."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="orchestration-", ignore_cleanup_errors=True) as folder:
        if contender == "espalier":
            return espalier(trials, Path(folder))
        return ray_tune(trials, Path(folder), bare=contender == "ray tune, bare")


def compare(trials: int, repeats: int, syne_tune: str | None) -> None:
    """Let the contenders take turns and print what they achieved."""
    from rich.console import Console
    from rich.table import Table

    counts = dict.fromkeys(CONTENDERS, trials) | ({SYNE_TUNE: min(trials, FEW)} if syne_tune else {})
    taken: dict[str, list[Seconds]] = {contender: [] for contender in counts}
    for _ in range(repeats):
        for contender, count in counts.items():
            taken[contender].append(measure(contender, count, syne_tune))
    rates = {name: counts[name] / statistics.median(one.sweep for one in runs) for name, runs in taken.items()}
    columns = ("", "trials per second", "against ray tune", "seconds to the last trial", "seconds of the call")
    table = Table(*columns, title="So many trials that do nothing (medians; all runs in seconds)")
    for contender, runs in taken.items():
        rate, ratio = rates[contender], rates[contender] / rates["ray tune"]
        sweep, call = (", ".join(f"{s:.1f}" for s in column) for column in zip(*map(_both, runs), strict=True))
        table.add_row(f"{contender} ({counts[contender]})", f"{rate:.1f}", f"{ratio:.2f}", sweep, call)
    Console().print(table)


def _both(seconds: Seconds) -> tuple[float, float]:
    return seconds.sweep, seconds.call


def main() -> None:
    """Print the table, or, for one contender, its seconds."""
    parser = argparse.ArgumentParser(description="Compare the costs of orchestration.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--syne-tune", metavar="PYTHON", help="a Python that has Syne Tune installed")
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(asdict(run_here(chosen.only, chosen.trials))))
    else:
        compare(chosen.trials, chosen.repeats, chosen.syne_tune)


if __name__ == "__main__":
    main()

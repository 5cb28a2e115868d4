"""What a long study costs: trials that do nothing, with the ledger and MLflow on.

    python benchmarks/many_trials.py [--trials 10000] [--sampler auto]

Prints what a trial costs in the last tenth of the study against the first (wall clock, and seconds of the driver's own
processor time, which other work on the machine does not change), the driver's peak memory, the seconds until a resume
of that study has handed out a trial, Ray's start included, and those of `espalier front`. Exit status 1 if one is worse
than it may be. `--without-ray` drives the sweep itself, a trial after the other: all that is ours, in a tenth of the
time; its resume has no Ray to start.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator import study
from orchestrator.execution.trial_context import WorkerContext
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.store import Store
from orchestrator.sweep.observer import Observers
from orchestrator.sweep.sweep import Assignment, Sweep
from orchestrator.tracking.publishing import publisher
from trainables.context import Report
from trainables.spec import TrialSpec

GROWTH, MEMORY_MB, RESUME, FRONT = 1.5, 1500.0, 20.0, 3.0
"""The most that the last tenth may cost of the first, the driver's memory, and seconds."""
ESPALIER = (sys.executable, "-c", "from orchestrator.cli import main; main()")


def do_nothing(spec: TrialSpec, context: WorkerContext) -> None:
    """Report one epoch, which is the last."""
    context.report(report(spec), lambda _: None)


def report(spec: TrialSpec) -> Report:
    """Return what a trial reports: the sparser, the less accurate, but for luck."""
    sparsity = float(spec.hyperparameters.get("sparsity", 0.5))
    luck = sparsity * 1e6 % 1
    accuracy, macs = 0.9 - 0.3 * sparsity**2 - 0.1 * luck, 1 - sparsity
    return Report(
        epoch=1,
        fidelity=1.0,
        stage="train",
        accuracy=accuracy,
        loss=1.0,
        train_loss=1.0,
        learning_rate=0.1,
        seconds=0.0,
        macs_projected=macs,
        params_projected=macs,
        metrics={"accuracy": accuracy, "macs": macs, "macs_dense": 1.0},
    )


class Clock:
    """Watches a study: the wall clock and the driver's processor time when trials were told, and the first new one."""

    def __init__(self) -> None:
        self.told: list[tuple[float, float]] = []
        self.first_new: float | None = None

    def started(self, *_: object) -> None:
        pass

    def updated(self, record: TrialRecord) -> None:
        if record.state is State.RUNNING and self.first_new is None:
            self.first_new = time.time()
        if record.state is State.COMPLETE:
            self.told.append((time.time(), time.process_time()))

    def finished(self, *_: object) -> None:
        pass


def spec_of(trials: int, sampler: str) -> StudySpec:
    return StudySpec.model_validate_json(
        f"""{{"name": "many", "data": {{"name": "digits"}}, "model": {{"name": "mlp"}},
        "paradigms": {{"magnitude": {{}}}}, "search": {{"sampler": "{sampler}", "trials": {trials}}},
        "fidelity": {{"epochs": 10}}}}"""
    )


def launch_here(store: Store, spec: StudySpec, clock: Clock, *, ray: bool) -> None:
    """Run the study, or go on with it if it is there."""
    if ray:
        study.launch(spec, store, observer=clock, exist_ok=True, run="many_trials:do_nothing")
        return
    folder = store.study(spec.name)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.spec.write_text(spec.as_yaml(), encoding="utf-8")
    with Ledger(folder, spec) as ledger, publisher(store, spec, stamp.stamp("none"), ledger.records()) as published:
        watching = Observers([published, clock])
        for record in ledger.records():
            published.updated(record)
        sweep = Sweep(ledger, watching)
        while (trial := sweep.next()) is not None:
            run_to_end(sweep, trial)
        watching.finished(study.Outcome(folder, tuple(ledger.records())))


def run_to_end(sweep: Sweep, trial: Assignment) -> None:
    chosen = trial.configuration
    sweep.begin(trial.number)
    made = report(sweep.spec.trial(chosen.paradigm, chosen.params, chosen.seed))
    sweep.report(trial.number, EpochReport.of(made))
    sweep.end(trial.number)
    sweep.note_time()


def launched(folder: Path, trials: int, sampler: str, ray: bool) -> dict[str, float]:
    """Return what running the study costs, in milliseconds per trial and megabytes."""
    clock = Clock()
    launch_here(Store(folder), spec_of(trials, sampler), clock, ray=ray)
    tenth = max(1, trials // 10)
    names = ("wall", "driver")
    costs = {}
    for column, name in enumerate(names):
        times = [moment[column] for moment in clock.told]
        costs[f"{name}_first"] = 1e3 * (times[tenth] - times[0]) / tenth
        costs[f"{name}_last"] = 1e3 * (times[-1] - times[-1 - tenth]) / tenth
    return {**costs, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def resumed(folder: Path, trials: int, sampler: str, ray: bool) -> dict[str, float]:
    """Return after how many seconds a resume, asked for one trial more, has handed that out."""
    store, spec, clock = Store(folder), spec_of(trials + 1, sampler), Clock()
    store.study(spec.name).spec.write_text(spec.as_yaml(), encoding="utf-8")
    begun = time.time()
    launch_here(store, spec, clock, ray=ray)
    assert clock.first_new is not None
    return {"seconds": clock.first_new - begun}


PARTS: dict[str, Callable[[Path, int, str, bool], dict[str, float]]] = {"launch": launched, "resume": resumed}


def measure(part: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """Do one part in a process of its own."""
    command = [sys.executable, __file__, "--trials", str(options.trials), "--sampler", options.sampler]
    command += ["--only", part, "--store", str(folder), *(["--without-ray"] if options.without_ray else [])]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def seconds_of_front(folder: Path) -> float:
    begun = time.time()
    subprocess.run([*ESPALIER, "front", "many", "--store", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return time.time() - begun


def compare(options: argparse.Namespace) -> bool:
    """Print what the study costs; return whether that is not too much."""
    with tempfile.TemporaryDirectory(prefix="many-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        begun = time.time()
        run = measure("launch", folder, options)
        whole = time.time() - begun
        front = seconds_of_front(folder)
        resume = measure("resume", folder, options)["seconds"]
        journal = Store(folder).study("many").journal.stat().st_size / options.trials
    print(f"{options.trials} trials that do nothing, {options.sampler}: {whole:.0f} s, {journal:.0f} B of journal each")
    print(f"  wall clock, ms per trial: {run['wall_first']:.1f} first, {run['wall_last']:.1f} last tenth")
    checks: list[tuple[str, float, float]] = [
        (
            f"driver's processor, ms per trial: {run['driver_first']:.1f} first, {run['driver_last']:.1f} last tenth",
            run["driver_last"] / run["driver_first"],
            GROWTH,
        ),
        ("driver's peak memory, MB", run["megabytes"], MEMORY_MB),
        ("resume ready, s", resume, RESUME),
        ("front, s", front, FRONT),
    ]
    for what, value, most in checks:
        print(f"  {what}: {value:.2f} (at most {most:g}){'' if value <= most else '  TOO MUCH'}")
    return all(value <= most for _, value, most in checks)


def main() -> None:
    """Print what is measured, or, for one part, its figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure what a long study costs.")
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--sampler", default="auto")
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(PARTS[options.only](options.store, options.trials, options.sampler, not options.without_ray)))
    else:
        sys.exit(not compare(options))


if __name__ == "__main__":
    main()

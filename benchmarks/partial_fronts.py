"""How many points of partial fidelity stand on the front of a study with early stopping, ours and Ray Tune's.

    python benchmarks/partial_fronts.py [--trials 60]

Trials of four epochs train nothing: as in gradual pruning, accuracy falls from epoch to epoch, so that a trial looks
best where it was stopped. `espalier` stops at the rungs 1 and 2; `ray tune` is OptunaSearch with two objectives under
ASHA with the same rungs. Its front is that of the Optuna study. Each is a process and a folder of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from orchestrator.execution.trial_context import WorkerContext
from trainables.context import Report
from trainables.spec import TrialSpec

EPOCHS = 4
CONTENDERS = ("espalier", "ray tune")


def accuracy_after(epoch: int, sparsity: float) -> float:
    return 0.95 - 0.3 * sparsity**2 - 0.05 * epoch


def falling(spec: TrialSpec, context: WorkerContext) -> None:
    """Report epochs of falling accuracy."""
    sparsity = float(spec.hyperparameters["sparsity"])
    for epoch in range(1, EPOCHS + 1):
        accuracy, macs = accuracy_after(epoch, sparsity), 1 - sparsity
        report = Report(
            epoch=epoch,
            fidelity=epoch / EPOCHS,
            stage="train",
            accuracy=accuracy,
            loss=1.0,
            train_loss=1.0,
            learning_rate=0.1,
            seconds=0.0,
            macs_projected=macs,
            params_projected=macs,
            metrics={"accuracy": accuracy, "macs": macs} if epoch == EPOCHS else {},
        )
        context.report(report, lambda _: None)


def espalier(trials: int, folder: Path) -> list[float]:
    """Return the fidelities of the points on the front."""
    from orchestrator import study
    from orchestrator.results.front import pareto_front
    from orchestrator.spec.study_spec import StudySpec
    from orchestrator.store.store import Store

    spec = StudySpec.model_validate_json(
        f"""{{"name": "partial", "data": {{"name": "digits"}}, "model": {{"name": "mlp"}},
        "paradigms": {{"random": {{"scope": "layer", "sparsity": {{"low": 0.1, "high": 0.9}}}}}},
        "objectives": {{"accuracy": "maximize", "macs": "minimize"}},
        "search": {{"sampler": "tpe", "trials": {trials}}},
        "fidelity": {{"epochs": {EPOCHS}, "rungs": [1, 2], "reduction": 2}}}}"""
    )
    outcome = study.launch(spec, Store(folder), run="partial_fronts:falling")
    return [record.fidelity for record in pareto_front(outcome.records, spec.objectives)]


def ray_tune(trials: int, folder: Path) -> list[float]:
    """Return the same of Ray Tune."""
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    def fall(config: dict[str, Any]) -> None:
        for epoch in range(1, EPOCHS + 1):
            tune.report({"accuracy": accuracy_after(epoch, config["sparsity"]), "macs": 1 - config["sparsity"]})

    ray.init(include_dashboard=False, log_to_driver=False, _temp_dir=str(folder / "ray"))
    search = OptunaSearch(metric=["accuracy", "macs"], mode=["max", "min"], seed=0)
    halving = ASHAScheduler(metric="accuracy", mode="max", max_t=EPOCHS, grace_period=1, reduction_factor=2)
    results = tune.Tuner(
        fall,
        param_space={"sparsity": tune.uniform(0.1, 0.9)},
        tune_config=tune.TuneConfig(search_alg=search, scheduler=halving, num_samples=trials, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()
    reached = {one.metrics["macs"]: one.metrics["training_iteration"] / EPOCHS for one in results}
    return [reached[trial.values[1]] for trial in search._ot_study.best_trials]


def run_here(contender: str, trials: int) -> list[float]:
    """Let one contender run in this process."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="partial-", ignore_cleanup_errors=True) as folder:
        return espalier(trials, Path(folder)) if contender == "espalier" else ray_tune(trials, Path(folder))


def main() -> None:
    """Print a line for each contender, or, for one, its fidelities."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.only:
        print(json.dumps(run_here(chosen.only, chosen.trials)))
        return
    for contender in CONTENDERS:
        command = [sys.executable, __file__, "--trials", str(chosen.trials), "--only", contender]
        printed = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout
        fidelities = json.loads(printed.splitlines()[-1])
        partial = sum(fidelity < 1 for fidelity in fidelities)
        print(f"{contender}: {len(fidelities)} points on the front, {partial} of them of partial fidelity")


if __name__ == "__main__":
    main()

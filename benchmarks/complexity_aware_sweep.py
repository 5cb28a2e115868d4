"""A sweep over nu, beta and alpha against one over magnitude filter pruning, by hypervolume at the same budget.

    python -m benchmarks.complexity_aware_sweep --store FOLDER [--data digits] [--trials 16] [--seeds 0 1 2]

Each study has the same sampler, trials and epochs, and its own seed. Hypervolume is the share of the box between
(`--floor` accuracy, dense MACs) and (accuracy 1, no MACs) that a study's front dominates, once with the validation
accuracy that the study selects by, once with the test accuracy of the same trials. A study that is there already is
gone on with. Exit status 1 if complexity-aware training has not the larger mean on validation.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import hypervolume, pareto_front
from orchestrator.spec.choices import Range
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.study import launch
from trainables.spec import DataSpec, ModelSpec, TrainingSpec

OBJECTIVES = {"accuracy": "maximize", "macs": "minimize"}
MAGNITUDE = {"granularity": "filter", "criterion": "magnitude"}
KNOBS_ALONE = {"warmup": 0.1, "travel": 0.2}
RIVALS: dict[str, dict[str, dict[str, Any]]] = {
    "digits": {"complexity_aware": {**KNOBS_ALONE, "nu": Range(low=3.0, high=100.0, log=True)}, "magnitude": MAGNITUDE},
    "cifar10": {"complexity_aware": KNOBS_ALONE, "magnitude": MAGNITUDE},
}
"""What each study fixes or narrows; nothing is worth much on the digits, so that low prices prune nothing there."""
DATA: dict[str, dict[str, Any]] = {
    "digits": {
        "data": DataSpec(name="digits", validation=0.2),
        "model": ModelSpec(name="digits_cnn"),
        "training": TrainingSpec(lr=0.05, batch_size=64),
        "fidelity": {"epochs": 15},
    },
    "cifar10": {
        "data": DataSpec(name="cifar10", root="../shared/data", validation=0.1, subset=5000, image_size=8),
        "model": ModelSpec(name="resnet20"),
        "training": TrainingSpec(lr=0.1, batch_size=128),
        "fidelity": {"epochs": 10},
    },
}


def study(data: str, paradigm: str, seed: int, trials: int) -> StudySpec:
    plain = {
        **DATA[data],
        "name": f"sweep-{data}-{paradigm}-{seed}",
        "seed": seed,
        "objectives": OBJECTIVES,
        "paradigms": {paradigm: RIVALS[data][paradigm]},
        "search": {"sampler": "tpe", "trials": trials},
        "resources": {"cpus": 1},
    }
    return StudySpec.model_validate(plain)


def volumes(records: Sequence[TrialRecord], spec: StudySpec, floor: float) -> tuple[float, float]:
    """Return the hypervolume of the front by validation and by test accuracy."""
    front = [record.metrics for record in pareto_front(records, spec.objectives)]
    return _volume(front, "accuracy", floor), _volume(front, "test_accuracy", floor)


def _volume(front: Sequence[Any], accuracy: str, floor: float) -> float:
    points = [[1 - metrics[accuracy], metrics["macs"] / metrics["macs_dense"]] for metrics in front]
    return hypervolume(points, [1 - floor, 1.0]) / (1 - floor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--data", choices=list(DATA), default="digits")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--floor", type=float, default=0.9, help="accuracy that a network must exceed to count")
    options = parser.parse_args()
    validation: dict[str, list[float]] = {}
    for seed in options.seeds:
        for paradigm in RIVALS[options.data]:
            spec = study(options.data, paradigm, seed, options.trials)
            outcome = launch(spec, Store(options.store), exist_ok=True)
            if outcome.interrupted:
                sys.exit("interrupted; the same command goes on")
            by_validation, by_test = volumes(outcome.records, spec, options.floor)
            validation.setdefault(paradigm, []).append(by_validation)
            print(f"{paradigm} seed {seed}: validation {by_validation:.3f}, test {by_test:.3f}", flush=True)
    means = {paradigm: statistics.mean(values) for paradigm, values in validation.items()}
    print(", ".join(f"{paradigm} {mean:.3f}" for paradigm, mean in means.items()))
    sys.exit(means["complexity_aware"] <= means["magnitude"])


if __name__ == "__main__":
    main()

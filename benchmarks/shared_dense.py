"""What one dense training for all trials saves: a study of magnitude pruning with `training.shared_dense`, and without.

    python -m benchmarks.shared_dense [--trials 24] [--epochs 12] [--folder FOLDER]

Both studies are the same but for that key, draw the same configurations at random, and run as many trials at once as
there are processors. Printed are the epochs that were trained, their share, and whether both fronts are equal: the same
trials with the same accuracy and MACs, to the last bit. A second run in the same folder resumes, and trains nothing
that is there already.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import pareto_front
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.study import launch
from trainables.shared_training import METRIC

FIGURES = ("accuracy", "test_accuracy", "macs", "params", "train_cost", "total_epochs")


def study(trials: int, epochs: int, *, shared: bool) -> StudySpec:
    """Return the study; `finetune` is fixed, since trials of other dense epochs share nothing."""
    plain: dict[str, Any] = {
        "name": "shared" if shared else "alone",
        "data": {"name": "digits"},
        "model": {"name": "digits_cnn"},
        "training": {"lr": 0.05, "batch_size": 32, "shared_dense": shared},
        "paradigms": {"magnitude": {"finetune": 0.4}},
        "search": {"trials": trials, "sampler": "random"},
        "fidelity": {"epochs": epochs},
        "tracking": "none",
    }
    return StudySpec.model_validate_json(json.dumps(plain))


def trained(records: list[TrialRecord]) -> float:
    """Return the epochs that trials trained, without those that they took from others."""
    return sum(record.metrics["total_epochs"] - record.metrics.get(METRIC, 0.0) for record in records)


def figures(records: list[TrialRecord]) -> list[tuple[object, ...]]:
    return [(one.trial, *(one.metrics[name] for name in FIGURES)) for one in sorted(records, key=lambda one: one.trial)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    store = Store(chosen.folder or Path(tempfile.mkdtemp(prefix="espalier-shared-")))
    epochs, fronts, everything = {}, {}, {}
    for shared in (False, True):
        spec = study(chosen.trials, chosen.epochs, shared=shared)
        records = list(launch(spec, store, exist_ok=True).records)
        whole = [record for record in records if record.metrics]
        epochs[spec.name], everything[spec.name] = trained(whole), figures(whole)
        fronts[spec.name] = figures(pareto_front(records, spec.objectives))
        seconds = sum(record.seconds for record in records)
        print(f"{spec.name}: {len(whole)} trials, {epochs[spec.name]:g} epochs trained in {seconds:.0f} s")
    print(f"epochs trained: {epochs['shared'] / epochs['alone']:.3f} of those without sharing")
    print(f"front: {len(fronts['alone'])} trials, equal: {fronts['alone'] == fronts['shared']}")
    print(f"all {chosen.trials} trials equal: {everything['alone'] == everything['shared']}")


if __name__ == "__main__":
    main()

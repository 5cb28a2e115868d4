"""A perceptron solved in closed form, and the same one trained by SGD, at equal seconds of the processor.

    python -m benchmarks.manifold_network [--data mnist] [--root ../shared/data] [--width 1000] [--sweeps 1 2]
                                          [--decisions 3] [--epochs 1 2] [--rates 0.05] [--seeds 0] [--threads 1]

Both have the same layers and the same training images, those of a tenth held out for validation. SGD has momentum 0.9,
batches of 128 and a cosine schedule over its epochs. Seconds are those of the processor in training, without
evaluation: what other work does to a shared machine does not show in them. Each row has its own training, so that a row
of several epochs is not one that was stopped; `curve` has the seconds and the validation accuracy after each of its
epochs or sweeps. Choose a row by its validation accuracy.

    python -m benchmarks.manifold_network --variants --subset 8000 --width 400 --sweeps 3

prints rows of the variants instead, all else as it is by default.
"""

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch

from trainables import paradigms
from trainables.context import Report, SaveCheckpoint
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.trial import run_trial

VARIANTS: dict[str, dict[str, Value]] = {
    "as it is": {},
    "start: differences": {"start": "differences"},
    "start: random": {"start": "random"},
    "hidden layers stay": {"step": 0.0},
    "one share": {"shares": 1},
    "targets: difference": {"backward": "difference"},
    "targets: inverse": {"backward": "inverse"},
    "inverses of rank 5": {"backward_rank": 5},
    "hidden_ridge 0.01": {"hidden_ridge": 0.01},
    "hidden_ridge 1": {"hidden_ridge": 1.0},
    "Stiefel manifold, 0.1": {"manifold": 0.1},
    "Stiefel manifold, 1": {"manifold": 1.0},
    "adaptive SVM, 0.5": {"robust": 0.5},
    "tanh": {"activation": "tanh"},
    "two hidden layers": {"layers": 2},
    "rank 32": {"rank": 32},
    "half of the units removed": {"sparsity": 0.5},
}


@dataclass
class Timed:
    """A context that adds up the processor's seconds of all epochs; `curve` has the validation accuracy after each."""

    device: str = "cpu"
    cache: Path | None = None
    cpu_seconds: float = 0.0
    last: Report | None = None
    epochs: list[int] = field(default_factory=list)
    curve: list[tuple[float, float]] = field(default_factory=list)

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - a context's; nothing is saved
        if report.epoch not in self.epochs and report.usage is not None and report.usage.device_use is not None:
            self.epochs.append(report.epoch)
            self.cpu_seconds += report.usage.device_use * report.seconds * torch.get_num_threads()
            self.curve.append((round(self.cpu_seconds, 1), round(report.accuracy or 0.0, 4)))
        self.last = report

    def restore(self) -> Path | None:
        return None


def trial(options: argparse.Namespace, name: str, values: dict[str, Value], epochs: int, seed: int) -> TrialSpec:
    """Return a trial of `manifold_network`, or of `dense` on the network that it brings."""
    closed: dict[str, Value] = {"width": options.width}
    network = paradigms.network("manifold_network", closed, ModelSpec(name="mlp"))
    return TrialSpec(
        data=DataSpec(name=options.data, root=options.root, subset=options.subset),
        model=network,
        training=TrainingSpec(lr=float(values.pop("lr", 0.1)), augment=False, weight_decay=1e-4),
        paradigm=name,
        hyperparameters={**closed, **values} if name == "manifold_network" else {},
        epochs=epochs,
        seed=seed,
    )


def run(label: str, spec: TrialSpec) -> None:
    """Run a trial and print its row."""
    context = Timed()
    run_trial(spec, context)
    assert context.last is not None
    measured = context.last.metrics
    row = {
        "row": label,
        "seed": spec.seed,
        "validation": round(measured["accuracy"], 4),
        "test": round(measured["test_accuracy"], 4),
        "processor_seconds": round(context.cpu_seconds, 1),
        "wall_seconds": round(measured["train_seconds"], 1),
        "gflop": round(measured["train_flops"] / 1e9),
        "curve": context.curve,
    }
    print(json.dumps(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--root", default="../shared/data")
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--subset", type=int)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--sweeps", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--decisions", type=int, default=3)
    parser.add_argument("--epochs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rates", type=float, nargs="*", default=[0.05])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for seed in options.seeds:
        variants = {**VARIANTS, "half as many units": {"width": options.width // 2}}
        for label, values in variants.items() if options.variants else ():
            sweeps = options.sweeps[0]
            run(label, trial(options, "manifold_network", {**values, "sweeps": sweeps}, sweeps, seed))
        if options.variants:
            continue
        for sweeps in options.sweeps:
            spec = trial(options, "manifold_network", {"sweeps": sweeps, "decisions": options.decisions}, sweeps, seed)
            run(f"closed form, {sweeps} sweeps", spec)
        for epochs in options.epochs:
            for rate in options.rates:
                run(f"SGD, {epochs} epochs, lr {rate}", trial(options, "dense", {"lr": rate}, epochs, seed))


if __name__ == "__main__":
    main()

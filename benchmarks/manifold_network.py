"""A perceptron solved in closed form, and the same one trained by SGD, at equal seconds.

    python -m benchmarks.manifold_network [--data mnist] [--root ../shared/data] [--width 1000] [--sweeps 1 2]
                                          [--decisions 5] [--epochs 1 2] [--rates 0.05] [--seeds 0] [--threads 1]

Both have the same layers and the same training images, those of a tenth held out for validation. SGD has momentum 0.9,
batches of 128 and a cosine schedule over its epochs. Seconds are those of the processor in training, without
evaluation: what other work does to a shared machine does not show in them. Each row has its own training, so that a row
of several epochs is not one that was stopped; `curve` has the seconds and the validation accuracy after each of its
epochs or sweeps. Choose a row by its validation accuracy.

    python -m benchmarks.manifold_network --equal --sweeps 1 --rates 0.05 0.1 0.2 0.4 [--clock]

gives SGD as many seconds as each closed form took, at each rate: an epoch of SGD tells the seconds of an image, and
SGD then reads as many images as fit, in as few epochs as hold them, with its cosine schedule over these. Seconds are
those of the processor, or with --clock those of the clock.

    python -m benchmarks.manifold_network --variants --subset 8000 --width 400 --sweeps 3

prints rows of the variants instead, all else as it is by default.
"""

import argparse
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch

from trainables import data, paradigms
from trainables.context import Report, SaveCheckpoint
from trainables.errors import TrainingDiverged
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
    "hidden_ridge 0.1": {"hidden_ridge": 0.1},
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


@dataclass(frozen=True)
class Took:
    """What a trial took: seconds of the processor and of the clock, and the images that were trained on, repeated."""

    processor: float
    clock: float
    images: int


def run(label: str, spec: TrialSpec) -> Took:
    """Run a trial and print its row."""
    context = Timed()
    run_trial(spec, context)
    assert context.last is not None
    measured = context.last.metrics
    took = Took(context.cpu_seconds, measured["train_seconds"], spec.epochs * training_images(spec))
    row = {
        "row": label,
        "seed": spec.seed,
        "validation": round(measured["accuracy"], 4),
        "test": round(measured["test_accuracy"], 4),
        "processor_seconds": round(took.processor, 1),
        "wall_seconds": round(took.clock, 1),
        "gflop": round(measured["train_flops"] / 1e9),
        "curve": context.curve,
    }
    print(json.dumps(row), flush=True)
    return took


def training_images(spec: TrialSpec) -> int:
    return len(data.load(spec.data).train)


def compare_at_equal_seconds(options: argparse.Namespace, seed: int) -> None:
    """Print rows of each closed form, then of an epoch of SGD, then of SGD in the seconds of each closed form."""
    closed = {sweeps: run(f"closed form, {sweeps} sweeps", solved(options, sweeps, seed)) for sweeps in options.sweeps}
    epoch = run("SGD, an epoch", trial(options, "dense", {"lr": options.rates[0]}, 1, seed))
    for sweeps, took in closed.items():
        share = took.clock / epoch.clock if options.clock else took.processor / epoch.processor
        epochs = max(1, math.ceil(share))
        equal = argparse.Namespace(
            **{**vars(options), "subset": min(epoch.images, round(epoch.images * share / epochs))}
        )
        for rate in options.rates:
            label = f"SGD, the seconds of {sweeps} sweeps: {epochs} epochs of {equal.subset} images, lr {rate}"
            try:
                run(label, trial(equal, "dense", {"lr": rate}, epochs, seed))
            except TrainingDiverged as why:
                print(json.dumps({"row": label, "seed": seed, "diverged": str(why)}), flush=True)


def solved(options: argparse.Namespace, sweeps: int, seed: int) -> TrialSpec:
    """Return a trial of the closed form."""
    return trial(options, "manifold_network", {"sweeps": sweeps, "decisions": options.decisions}, sweeps, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--root", default="../shared/data")
    parser.add_argument("--width", type=int, default=1000)
    parser.add_argument("--subset", type=int)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--equal", action="store_true")
    parser.add_argument("--clock", action="store_true")
    parser.add_argument("--sweeps", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--decisions", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rates", type=float, nargs="*", default=[0.05])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for seed in options.seeds:
        if options.variants:
            compare_variants(options, seed)
        elif options.equal:
            compare_at_equal_seconds(options, seed)
        else:
            compare(options, seed)


def compare_variants(options: argparse.Namespace, seed: int) -> None:
    for label, values in {**VARIANTS, "half as many units": {"width": options.width // 2}}.items():
        sweeps = options.sweeps[0]
        run(label, trial(options, "manifold_network", {**values, "sweeps": sweeps}, sweeps, seed))


def compare(options: argparse.Namespace, seed: int) -> None:
    for sweeps in options.sweeps:
        run(f"closed form, {sweeps} sweeps", solved(options, sweeps, seed))
    for epochs in options.epochs:
        for rate in options.rates:
            run(f"SGD, {epochs} epochs, lr {rate}", trial(options, "dense", {"lr": rate}, epochs, seed))


if __name__ == "__main__":
    main()

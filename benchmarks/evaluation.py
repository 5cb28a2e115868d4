"""What corruptions cost and whether they hurt more with severity; whether ensembles by reassignment are better judges.

    python -m benchmarks.evaluation cost [--root FOLDER_WITH_CIFAR10]
    python -m benchmarks.evaluation losses [--root FOLDER_WITH_CIFAR10]
    python -m benchmarks.evaluation ensembles [--root FOLDER_WITH_MNIST]

`cost` evaluates a ResNet-20 on all nineteen corruptions at severity 3, generation included, for one network and for
four that share the images, against as many plain evaluations; the better of two turns each. `losses` trains a small
network on some of CIFAR-10's images, and prints its mean loss for each kind and severity. `ensembles` trains it dense
and with nine tenths of its weights masked, from five seeds, on some images of `--data` (`digits`, `mnist`,
`fashion_mnist`, `cifar10`), and prints NLL and ECE on the test images beside those of an ensemble of eight. On the CPU,
one thread.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from trainables import checkpoint, data, models
from trainables.context import Report, SaveCheckpoint
from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.data.dataset import Dataset
from trainables.evaluation.bench import Bench
from trainables.evaluation.distributions import Clean, Corrupted
from trainables.spec import DataSpec, EnsembleSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

SEVERITY, TURNS, SEEDS = 3, 2, 5
COST_IMAGES, LOSS_IMAGES = 100, 1000

TRAINED = TrialSpec(
    data=DataSpec(name="cifar10", subset=6000),
    model=ModelSpec(name="digits_cnn", options={"widths": [16, 32, 64]}),
    training=TrainingSpec(batch_size=64, lr=0.05, precision="float32"),
    paradigm="dense",
    epochs=8,
)


ENSEMBLE = replace(TRAINED, ensemble=EnsembleSpec())


class Kept:
    """The context of a trial that keeps its last checkpoint in a folder."""

    device, cache = "cpu", None

    def __init__(self, folder: Path) -> None:
        self.folder, self.metrics = folder, dict[str, float]()

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        save(self.folder)
        self.metrics = dict(report.metrics or {})

    def restore(self) -> None:
        return None


def trained(spec: TrialSpec, dataset: Dataset) -> nn.Module:
    """Train the network of a trial."""
    with TemporaryDirectory() as name:
        run_trial(spec, Kept(Path(name)))
        signature = checkpoint.Signature(classes=dataset.classes, input_shape=dataset.input_shape)
        return checkpoint.load_network(Path(name), spec.model, signature)


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes at best."""
    times = []
    for _ in range(TURNS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def cost(spec: DataSpec) -> None:
    """Print the time of the corrupted evaluations as a multiple of that of as many plain ones."""
    dataset = data.load(spec)
    networks = [
        models.build("resnet20", classes=dataset.classes, input_shape=dataset.input_shape, options={}).eval()
        for _ in range(4)
    ]

    def plain(some: list[nn.Module]) -> None:
        bench = Bench(dataset, None, images=COST_IMAGES)
        for _ in KIND_NAMES:
            for network in some:
                bench.measure(Clean(), network)

    def corrupted(some: list[nn.Module]) -> None:
        bench = Bench(dataset, None, images=COST_IMAGES)
        for kind in KIND_NAMES:
            for network in some:
                bench.measure(Corrupted(kind, SEVERITY), network)

    corrupted(networks[:1])  # tables are made once
    for some in (networks[:1], networks):
        clean, worse = seconds(partial(plain, some)), seconds(partial(corrupted, some))
        print(
            f"{len(some)} ResNet-20 on {COST_IMAGES} images: 19 plain evaluations {clean:.1f} s, 19 corruptions "
            f"{worse:.1f} s, {worse / clean:.2f} times as long",
            flush=True,
        )


def losses(spec: DataSpec) -> None:
    """Print a trained network's loss for each kind and severity, and which kinds do not hurt more at every step."""
    dataset = data.load(spec)
    network = trained(replace(TRAINED, data=spec), dataset)
    bench, uneven = Bench(dataset, None, images=LOSS_IMAGES), []
    print(f"{'kind':<20}" + "".join(f"{severity:>8}" for severity in (0, *SEVERITIES)))
    for kind in KIND_NAMES:
        row = [bench.measure(Clean(), network)["nll@clean"]]
        for severity in SEVERITIES:
            measured = bench.measure(Corrupted(kind, severity), network)
            row.append(measured[f"nll@{kind}_{severity}"])
        uneven += [kind] if sorted(set(row)) != row else []
        print(f"{kind:<20}" + "".join(f"{loss:8.3f}" for loss in row), flush=True)
    print(f"{len(KIND_NAMES) - len(uneven)} of 19 strictly rising; not: {', '.join(uneven) or 'none'}")


def ensembles(spec: DataSpec, epochs: int) -> None:
    """Print what an ensemble by reassignment is worth for each seed, of a dense network and of a masked one."""
    for paradigm, chosen in {"dense": {}, "magnitude": {"sparsity": 0.9}}.items():
        better = {"nll": 0, "ece": 0}
        for seed in range(SEEDS):
            trial = replace(ENSEMBLE, data=spec, epochs=epochs, seed=seed, paradigm=paradigm, hyperparameters=chosen)
            with TemporaryDirectory() as name:
                context = Kept(Path(name))
                run_trial(trial, context)
            measured = context.metrics
            row = [f"accuracy {measured['test_accuracy']:.4f} -> {measured['ensemble_test_accuracy']:.4f}"]
            for metric in better:
                one, many = measured[f"test_{metric}"], measured[f"ensemble_test_{metric}"]
                better[metric] += many < one
                row.append(f"{metric.upper()} {one:.4f} -> {many:.4f}")
            print(f"{spec.name} {paradigm} seed {seed}: {', '.join(row)}", flush=True)
        print(
            f"{spec.name} {paradigm}: NLL lower in {better['nll']}, ECE in {better['ece']} of {SEEDS} seeds", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("cost", "losses", "ensembles"))
    parser.add_argument("--data", default="cifar10", help="the images of the ensembles")
    parser.add_argument("--subset", type=int, default=6000, help="how many training images")
    parser.add_argument("--epochs", type=int, default=6, help="how long each network of the ensembles is trained")
    parser.add_argument("--root", help="the folder of the images; they are downloaded if it is left out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    published = chosen.data != "digits"
    root = {"root": chosen.root, "download": chosen.root is None} if published else {}
    spec = DataSpec(name=chosen.data, subset=chosen.subset, **root)
    if chosen.what == "ensembles":
        ensembles(spec, chosen.epochs)
    else:
        {"cost": cost, "losses": losses}[chosen.what](spec)


if __name__ == "__main__":
    main()

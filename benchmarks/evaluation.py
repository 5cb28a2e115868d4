"""What corruptions cost and whether they hurt more with severity; whether ensembles by reassignment are better judges.

    python -m benchmarks.evaluation cost [--root FOLDER_WITH_CIFAR10]
    python -m benchmarks.evaluation losses [--root FOLDER_WITH_CIFAR10]
    python -m benchmarks.evaluation ensembles [--root FOLDER_WITH_MNIST]
    python -m benchmarks.evaluation potential [--data digits --subset 1200]

`cost` evaluates a ResNet-20 on all nineteen corruptions at severity 3, generation included, for one network and for
four that share the images, against as many plain evaluations; the better of two turns each. `losses` trains a small
network on some of CIFAR-10's images, and prints its mean loss for each kind and severity. `ensembles` trains it dense
and with nine tenths of its weights masked, from five seeds, on some images of `--data` (`digits`, `mnist`,
`fashion_mnist`, `cifar10`), and prints NLL and ECE on the test images beside those of an ensemble of eight. `potential`
trains it dense and pruned by WT, FT, SiPP and PFP (Liebenwein et al. 2021, arXiv 2103.03014) to eight sparsities, from
three seeds, and prints how far each may prune on clean images and under noise, and the slope of its excess error. On
the CPU, one thread.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean, pstdev
from tempfile import TemporaryDirectory

import torch
from torch import nn

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.evaluated import with_columns
from orchestrator.results.potential import DELTA, potentials, slopes
from trainables import checkpoint, data, models
from trainables.context import Report, SaveCheckpoint
from trainables.corruption import corruptions
from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.data.dataset import Dataset
from trainables.evaluation.bench import Bench, Condition
from trainables.evaluation.distributions import Clean, Corrupted
from trainables.spec import DataSpec, EnsembleSpec, ModelSpec, TrainingSpec, TrialSpec, Value
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

METHODS: Mapping[str, Mapping[str, Value]] = {
    "WT": {"criterion": "magnitude", "granularity": "weight", "scope": "global"},
    "FT": {"criterion": "magnitude", "granularity": "filter", "scope": "layer"},
    "SiPP": {"criterion": "sipp", "granularity": "weight", "scope": "global"},
    "PFP": {"criterion": "pfp", "granularity": "filter", "scope": "global"},
}
"""The four methods of Liebenwein et al. 2021, arXiv 2103.03014, as settings of `magnitude`."""

CASCADE: Mapping[str, Value] = {"schedule": "iterative", "rounds": 3, "weights": "rewind_lr", "finetune": 0.6}
SPARSITIES, POTENTIAL_SEEDS = (0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95), 3
NOISES, NOISE_SEVERITIES = (
    ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    (SEVERITY, SEVERITIES[-1]),
)


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


def potential(spec: DataSpec, epochs: int) -> None:
    """Print the prune potentials of each method, clean and under noise, and the slopes of excess errors."""
    dataset = data.load(spec)
    rows: dict[str, list[dict[str, float]]] = {method: [] for method in METHODS}
    for seed in range(POTENTIAL_SEEDS):
        trial = replace(TRAINED, data=spec, epochs=epochs, seed=seed)
        dense = judged(0, trial, dataset)
        for method, how in METHODS.items():
            pruned = [
                replace(trial, paradigm="magnitude", hyperparameters={**CASCADE, **how, "sparsity": share})
                for share in SPARSITIES
            ]
            study = [dense, *(judged(number, one, dataset) for number, one in enumerate(pruned, start=1))]
            rows[method].append(summary(study))
            print(f"{spec.name} {method} seed {seed}: {written(rows[method][-1:])}", flush=True)
    for method, of_seeds in rows.items():
        print(f"{spec.name} {method}: {written(of_seeds)}", flush=True)


def judged(number: int, spec: TrialSpec, dataset: Dataset) -> TrialRecord:
    """Train a trial and return it with its columns: all corruptions that fit at one severity, noises at two."""
    with TemporaryDirectory() as name:
        context = Kept(Path(name))
        run_trial(spec, context)
        signature = checkpoint.Signature(classes=dataset.classes, input_shape=dataset.input_shape)
        network = checkpoint.load_network(Path(name), spec.model, signature)
    fitting = [kind for kind in KIND_NAMES if corruptions.find(kind).unfit(dataset.input_shape) is None]
    pairs = [(kind, SEVERITY) for kind in fitting] + [(kind, level) for kind in NOISES for level in NOISE_SEVERITIES]
    bench, columns = Bench(dataset, None), dict[str, float]()
    conditions: list[Condition] = [Clean(), *(Corrupted(*pair) for pair in dict.fromkeys(pairs))]
    for condition in conditions:
        columns |= bench.measure(condition, network)
    return TrialRecord(
        study="potential",
        trial=number,
        paradigm=spec.paradigm,
        state=State.COMPLETE,
        seed=spec.seed,
        fidelity=1.0,
        metrics={**context.metrics, **columns},
    )


def summary(study: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the accuracy of the dense network, the potentials and the slope with its interval, by name."""
    columns = {one.trial: {name: value for name, value in one.metrics.items() if "@" in name} for one in study}
    records = with_columns(study, columns)
    found = {one.distribution: one for one in potentials(records, DELTA)}
    noisy = {
        f"noise of severity {level}": mean(found[f"{kind}_{level}"].params for kind in NOISES)
        for level in NOISE_SEVERITIES
    }
    slope = next(one for one in slopes(records) if one.severity == SEVERITY)
    return {
        "dense": found["clean"].dense,
        "clean": found["clean"].params,
        **noisy,
        "slope": slope.slope,
        "low": slope.low,
        "high": slope.high,
    }


def written(rows: Sequence[Mapping[str, float]]) -> str:
    """Return the mean of each figure over seeds, with the standard deviation where there are several."""
    values = {name: [row[name] for row in rows] for name in rows[0]}
    spread = {name: f" +- {pstdev(of):.3f}" if len(of) > 1 else "" for name, of in values.items()}
    return ", ".join(f"{name} {mean(of):.3f}{spread[name]}" for name, of in values.items())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("cost", "losses", "ensembles", "potential"))
    parser.add_argument("--data", default="cifar10", help="the images of ensembles and potential")
    parser.add_argument("--subset", type=int, default=6000, help="how many training images")
    parser.add_argument(
        "--epochs", type=int, default=6, help="how long networks of ensembles and potential are trained"
    )
    parser.add_argument("--root", help="the folder of the images; they are downloaded if it is left out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    published = chosen.data != "digits"
    root = {"root": chosen.root, "download": chosen.root is None} if published else {}
    spec = DataSpec(name=chosen.data, subset=chosen.subset, **root)
    if chosen.what in ("ensembles", "potential"):
        {"ensembles": ensembles, "potential": potential}[chosen.what](spec, chosen.epochs)
    else:
        {"cost": cost, "losses": losses}[chosen.what](spec)


if __name__ == "__main__":
    main()

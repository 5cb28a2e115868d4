"""Whether ensembles by reassignment are better judges, and how far networks may be pruned on which images.

    python -m benchmarks.evaluation ensembles [--data mnist --root FOLDER] [--no-augment]
    python -m benchmarks.evaluation potential [--data digits --subset 1200] [--retraining 1.5]

`ensembles` trains a small network dense and with nine tenths of its weights masked, from five seeds, on some images of
`--data` (`digits`, `mnist`, `fashion_mnist`, `cifar10`), and prints NLL and ECE on the test images beside those of an
ensemble of eight, and by how much the network's mean confidence is above its accuracy: below 0 it is under-confident.
With `--no-augment` images are neither shifted nor mirrored in training, so that it soon knows them by heart.
`--widths` are the channels of its three layers.
`potential` trains it dense and pruned by WT, FT, SiPP and PFP (Liebenwein et al. 2021, arXiv 2103.03014), or by those
of `--methods`, to eight sparsities, from `--seeds` seeds, and prints how far each may prune on clean images and under
noise, and the slope of its excess error, judged on at most `--images` test images; with `--keep FOLDER` it continues
where it ended. Pruned networks train `--epochs` in all; with `--retraining 1.5` they are dense for as many as the dense
network, as in the paper, and their three rounds take 1.5 times as many on top. With `--as-long` the dense network
trains as long as they do, by the same schedule, so that what training longer gains is not put down to pruning. `--side`
shrinks the images of both.
On the CPU, one thread.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from statistics import mean, pstdev
from tempfile import TemporaryDirectory

import torch
from torch import nn

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.evaluated import with_columns
from orchestrator.results.potential import DELTA, potentials, slopes
from orchestrator.safe_files import write_whole
from trainables import checkpoint, data
from trainables.context import Report, SaveCheckpoint
from trainables.corruption import corruptions
from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.data.dataset import Dataset
from trainables.errors import EspalierError
from trainables.evaluation.bench import Bench, Condition
from trainables.evaluation.distributions import Clean, Corrupted
from trainables.evaluation.ensemble import probabilities
from trainables.spec import DataSpec, EnsembleSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.trial import run_trial

SEVERITY, SEEDS = 3, 5

TRAINED = TrialSpec(
    data=DataSpec(name="cifar10", subset=6000),
    model=ModelSpec(name="digits_cnn", options={"widths": [16, 32, 64]}),
    training=TrainingSpec(batch_size=64, lr=0.05, precision="float32"),
    paradigm="dense",
    epochs=8,
)


NETWORKS: Mapping[str, Mapping[str, Value]] = {"dense": {}, "magnitude": {"sparsity": 0.9}}
JUDGED = ("accuracy", "nll", "ece")

METHODS: Mapping[str, Mapping[str, Value]] = {
    "WT": {"criterion": "magnitude", "granularity": "weight", "scope": "global"},
    "FT": {"criterion": "magnitude", "granularity": "filter", "scope": "layer"},
    "SiPP": {"criterion": "sipp", "granularity": "weight", "scope": "global"},
    "PFP": {"criterion": "pfp", "granularity": "filter", "scope": "global"},
}
"""The four methods of Liebenwein et al. 2021, arXiv 2103.03014, as settings of `magnitude`."""

CASCADE: Mapping[str, Value] = {"schedule": "iterative", "rounds": 3, "weights": "rewind_lr", "finetune": 0.6}
SPARSITIES = (0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
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


@dataclass(frozen=True)
class Judge:
    """Judges trials on at most so many test images, and keeps what it measured in a folder."""

    dataset: Dataset
    images: int | None
    kept: Path

    def file(self, spec: TrialSpec) -> Path:
        """Return where a trial's metrics are kept, by all that they depend on."""
        return self.kept / f"{blake2b(repr((spec, self.images)).encode(), digest_size=8).hexdigest()}.json"


def ensembles(trial: TrialSpec, networks: Sequence[str]) -> None:
    """Print what an ensemble by reassignment is worth for each seed, of each of the `NETWORKS` that are named."""
    dataset, name = data.load(trial.data), trial.data.name
    for paradigm in networks:
        how = NETWORKS[paradigm]
        of_paradigm = replace(trial, paradigm=paradigm, hyperparameters=how, ensemble=EnsembleSpec())
        rows: list[Mapping[str, float]] = []
        for seed in range(SEEDS):
            rows.append(beside_ensemble(replace(of_paradigm, seed=seed), dataset))
            print(f"{name} {paradigm} seed {seed}: {', '.join(pairs(rows[-1:]))}", flush=True)
        lower = [sum(row[f"ensemble_test_{metric}"] < row[f"test_{metric}"] for row in rows) for metric in JUDGED[1:]]
        print(f"{name} {paradigm}: {', '.join(pairs(rows))} on average", flush=True)
        print(f"{name} {paradigm}: NLL lower in {lower[0]}, ECE in {lower[1]} of {SEEDS} seeds", flush=True)


def beside_ensemble(spec: TrialSpec, dataset: Dataset) -> Mapping[str, float]:
    """Train a trial, and return its metrics with its network's excess of confidence over accuracy on test images."""
    with TemporaryDirectory() as name:
        context = Kept(Path(name))
        run_trial(spec, context)
        given = probabilities(network_of(spec, dataset, Path(name)), dataset, dataset.test)
    confidence, predicted = given.max(1)
    correct = (predicted == dataset.test.labels).double()
    return {**context.metrics, "excess": float((confidence - correct).mean())}


def pairs(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """Return what was judged of networks and of their ensembles, means over rows."""
    means = {name: mean(row[name] for row in rows) for name in rows[0]}
    judged = [f"{metric} {means[f'test_{metric}']:.4f} -> {means[f'ensemble_test_{metric}']:.4f}" for metric in JUDGED]
    return [*judged, f"confidence {means['excess']:+.4f}"]


def potential(
    trial: TrialSpec, methods: Sequence[str], seeds: int, retraining: float, judge: Judge, as_long: bool = False
) -> None:
    """Print the prune potentials of each method, clean and under noise, and the slopes of excess errors.

    `retraining` is how many trainings of the dense `trial` the rounds of a pruned one take after such a training; 0 if
    all of it takes as many epochs as the dense one. `as_long` has the dense network go through the rounds of the first
    method, too, which remove nothing from it.
    """
    rows: dict[str, list[dict[str, float]]] = {method: [] for method in methods}
    for seed in range(seeds):
        of_seed = replace(trial, seed=seed)
        parent = pruned(of_seed, methods[0], 0.0, retraining) if as_long else of_seed
        dense = replace(judged(0, parent, judge), paradigm="dense")
        for method in methods:
            study = [dense]
            for number, share in enumerate(SPARSITIES, start=1):
                study.append(judged(number, pruned(of_seed, method, share, retraining), judge))
            rows[method].append(summary(study))
            print(f"{trial.data.name} {method} seed {seed}: {written(rows[method][-1:])}", flush=True)
    for method, of_seeds in rows.items():
        print(f"{trial.data.name} {method}: {written(of_seeds)}", flush=True)


def pruned(trial: TrialSpec, method: str, share: float, retraining: float) -> TrialSpec:
    """Return the trial in which `method` prunes a share of the network of `trial` in rounds."""
    how = {**CASCADE, **METHODS[method], "sparsity": share}
    if retraining:
        how["finetune"] = retraining / (1 + retraining)
    epochs = round(trial.epochs * (1 + retraining))
    return replace(trial, paradigm="magnitude", epochs=epochs, hyperparameters=how)


def judged(number: int, spec: TrialSpec, judge: Judge) -> TrialRecord:
    """Train a trial and return it with its columns, or as it was kept."""
    file = judge.file(spec)
    if not file.exists():
        write_whole(file, json.dumps(dict(measured(spec, judge))).encode())
    return TrialRecord(
        study="potential",
        trial=number,
        paradigm=spec.paradigm,
        state=State.COMPLETE,
        seed=spec.seed,
        fidelity=1.0,
        metrics=json.loads(file.read_text()),
    )


def measured(spec: TrialSpec, judge: Judge) -> Mapping[str, float]:
    """Train a trial and return its metrics: all corruptions that fit at one severity, noises at two."""
    dataset = judge.dataset
    with TemporaryDirectory() as name:
        context = Kept(Path(name))
        run_trial(spec, context)
        network = network_of(spec, dataset, Path(name))
    fitting = [kind for kind in KIND_NAMES if corruptions.find(kind).unfit(dataset.input_shape) is None]
    pairs = [(kind, SEVERITY) for kind in fitting] + [(kind, level) for kind in NOISES for level in NOISE_SEVERITIES]
    bench, columns = Bench(dataset, None, images=judge.images), dict[str, float]()
    conditions: list[Condition] = [Clean(), *(Corrupted(*pair) for pair in dict.fromkeys(pairs))]
    for condition in conditions:
        columns |= bench.measure(condition, network)
    return {**context.metrics, **columns}


def network_of(spec: TrialSpec, dataset: Dataset, folder: Path) -> nn.Module:
    """Return the network in a trial's checkpoint, in evaluation mode."""
    signature = checkpoint.Signature(classes=dataset.classes, input_shape=dataset.input_shape)
    return checkpoint.load_network(folder, spec.model, signature).eval()


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("ensembles", "potential"))
    parser.add_argument("--data", default="cifar10", help="which images")
    parser.add_argument("--subset", type=int, default=6000, help="how many training images")
    parser.add_argument("--side", type=int, help="shrinks images to so many pixels a side")
    parser.add_argument("--epochs", type=int, default=6, help="how long networks are trained")
    parser.add_argument(
        "--augment", action=argparse.BooleanOptionalAction, default=True, help="shift and mirror images in training"
    )
    parser.add_argument("--widths", type=int, nargs=3, default=[16, 32, 64], help="channels of the network's layers")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="of ensembles")
    parser.add_argument("--validation", type=float, default=0.1, help="the share of the images that is held out")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="of potential")
    parser.add_argument("--seeds", type=int, default=3, help="of potential")
    parser.add_argument(
        "--retraining", type=float, default=0.0, help="of potential: rounds after a training, in such trainings"
    )
    parser.add_argument(
        "--as-long", action="store_true", help="of potential: the dense network trains as long as pruned ones"
    )
    parser.add_argument("--images", type=int, help="how many test images potential judges by; all if left out")
    parser.add_argument("--keep", type=Path, help="of potential: keeps what was measured; typed again, it continues")
    parser.add_argument("--root", help="the folder of the images; they are downloaded if it is left out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    root = {"root": chosen.root, "download": chosen.root is None} if chosen.data != "digits" else {}
    spec = DataSpec(
        name=chosen.data, subset=chosen.subset, validation=chosen.validation, image_size=chosen.side, **root
    )
    try:
        run(chosen, spec)
    except EspalierError as refused:
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(refused.exit_status)


def run(chosen: argparse.Namespace, spec: DataSpec) -> None:
    model = replace(TRAINED.model, options={"widths": chosen.widths})
    training = replace(TRAINED.training, augment=chosen.augment)
    trial = replace(TRAINED, data=spec, model=model, training=training, epochs=chosen.epochs)
    if chosen.what == "ensembles":
        ensembles(trial, chosen.networks)
        return
    with TemporaryDirectory() as name:
        judge = Judge(data.load(spec), chosen.images, chosen.keep or Path(name))
        judge.kept.mkdir(parents=True, exist_ok=True)
        potential(trial, chosen.methods, chosen.seeds, chosen.retraining, judge, chosen.as_long)


if __name__ == "__main__":
    main()

"""Ways to prune while training, at half of the MACs, beside the usual ones; on digits and on a part of CIFAR-10.

    python -m benchmarks.training_ways [--data digits cifar10] [--root ../shared/data] [--seeds 0 1 2] [--threads 1]

ResNet-20 of half its width. Every row trains for the same epochs in total, whatever it does in them, with one cosine
from the same peak learning rate: 12 epochs of digits, 8 of `--subset` images of CIFAR-10 averaged to `--size` pixels a
side. Uniform width is the same network with all layers narrowed by one factor, trained from scratch; L1 removes filters
after half of the epochs, the same share of each layer's, and rewinds the learning rate. MACs are effective ones: weight
unification only zeroes weights, and the network of manifold_dynamic computes other channels for each image, so that its
MACs are the mean over the validation images. The training cost is that of the forward passes as a share of the dense
network's; what the controller of auto_train_once costs is not in it. `--epochs` overrides the epochs of both.

Trials run one at a time and are written down as they finish: a run that is stopped and typed again continues.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.trials import Method, Metrics, new_parser, parse, percent, run_all
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec

WIDTH = 0.5
HALF_WIDTH = 0.35
"""The factor of ResNet-20's width at which it has half of the MACs that it has at `WIDTH`: 0.51 of them."""

METHODS = {
    "dense": Method("dense"),
    "uniform width": Method("dense", network={"width": HALF_WIDTH}),
    "L1 filters, rewound": Method(
        "magnitude",
        {"granularity": "filter", "scope": "layer", "sparsity": 0.5, "finetune": 0.5, "weights": "rewind_lr"},
    ),
    "complexity_aware": Method("complexity_aware", {"target_macs": 0.5}),
    "auto_train_once": Method("auto_train_once", {"target_macs": 0.5}),
    "consensus": Method("consensus", {"target_macs": 0.5}),
    "polarization": Method("polarization", {"target_macs": 0.5, "strength": 1e-2}),
    "group_envelope": Method("group_envelope", {"target_macs": 0.5}),
    "weight_unification": Method("weight_unification", {"prune": 0.5, "unify": 0.5}),
    "manifold_dynamic": Method("manifold_dynamic", {"target_macs": 0.5}),
}
BASELINE = "uniform width"

EXPLANATIONS = {
    "consensus, full rate": Method("consensus", {"target_macs": 0.5, "finetune_lr": 1.0}),
    "consensus, channels": Method("consensus", {"target_macs": 0.5, "granularity": "channel"}),
    "weight_unification, zeros only": Method("weight_unification", {"prune": 0.5, "unify": 0.0}),
    "weight_unification, full rate": Method("weight_unification", {"prune": 0.5, "unify": 0.5, "finetune_lr": 1.0}),
    "manifold_dynamic, earlier": Method(
        "manifold_dynamic", {"target_macs": 0.5, "dynamic": 0.8, "ramp": 0.3, "dynamic_lr": 1.0}
    ),
    "manifold_dynamic, similarity 1": Method("manifold_dynamic", {"target_macs": 0.5, "similarity": 1.0}),
    "manifold_dynamic, similarity 0": Method("manifold_dynamic", {"target_macs": 0.5, "similarity": 0.0}),
}
"""Rows that were tried because of what stood below uniform width; `--methods` takes them beside the others."""


@dataclass(frozen=True)
class Setting:
    """The data of a table, how many epochs a row trains, and with which batches and peak learning rate."""

    data: DataSpec
    epochs: int
    training: TrainingSpec


def settings_of(options: argparse.Namespace) -> dict[str, Setting]:
    cifar10 = DataSpec(
        name="cifar10", root=options.root, validation=0.1, subset=options.subset, image_size=options.size
    )
    return {
        "digits": Setting(DataSpec(name="digits", validation=0.2), 12, TrainingSpec(lr=0.05, batch_size=32)),
        "cifar10": Setting(cifar10, 8, TrainingSpec(lr=0.1, batch_size=64)),
    }


def trial(method: Method, setting: Setting, seed: int, epochs: int | None) -> TrialSpec:
    return TrialSpec(
        data=setting.data,
        model=ModelSpec(name="resnet20", options={"width": WIDTH, **method.network}),
        training=setting.training,
        paradigm=method.paradigm,
        hyperparameters=method.settings,
        epochs=method.trainings * (epochs or setting.epochs),
        seed=seed,
    )


Table = Mapping[str, Sequence[Metrics]]


def table(measured: Table) -> Iterator[str]:
    """Yield the rows of a Markdown table; accuracies in percent, the seeds one by one and their mean and extremes."""
    yield "| method | MACs | parameters | training cost | test, by seed | test | validation |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    dense = {key: mean(measured["dense"], key) for key in ("macs", "params", "train_flops")}
    for name, rows in measured.items():
        shares = (f"{mean(rows, key) / whole:.2f}" for key, whole in dense.items())
        seeds = ", ".join(f"{100 * row['test_accuracy']:.2f}" for row in rows)
        spreads = (percent([row[key] for row in rows]) for key in ("test_accuracy", "accuracy"))
        yield f"| {name} | {' | '.join(shares)} | {seeds} | {' | '.join(spreads)} |"


def behind(measured: Table) -> Iterator[str]:
    """Yield the rows whose mean test accuracy is below that of uniform width by more than the two rows' spread."""
    baseline = [100 * row["test_accuracy"] for row in measured[BASELINE]]
    for name, rows in measured.items():
        values = [100 * row["test_accuracy"] for row in rows]
        gap = statistics.mean(baseline) - statistics.mean(values)
        spread = max(max(each) - min(each) for each in (baseline, values))
        if gap > spread:
            yield f"{name} is {gap:.2f} points below uniform width; the seeds of one row differ by up to {spread:.2f}"


def mean(rows: Sequence[Metrics], key: str) -> float:
    return statistics.mean(row[key] for row in rows)


def main() -> None:
    parser = new_parser(__doc__, "training_ways", epochs=0, subset=1_500)
    parser.set_defaults(device="cpu")
    parser.add_argument("--size", type=int, default=16, help="pixels of a side of CIFAR-10's images (16)")
    parser.add_argument("--data", nargs="+", choices=("digits", "cifar10"), default=["digits", "cifar10"])
    rows = METHODS | EXPLANATIONS
    parser.add_argument("--methods", nargs="+", choices=list(rows), default=list(METHODS))
    options = parse(parser)
    for data in options.data:
        setting = settings_of(options)[data]
        wanted = [(name, seed) for seed in options.seeds for name in options.methods]
        specs = [trial(rows[name], setting, seed, options.epochs) for name, seed in wanted]
        measured: dict[str, list[Metrics]] = {name: [] for name in options.methods}
        for (name, _), metrics in zip(wanted, run_all(specs, options), strict=True):
            measured[name].append(metrics)
        print(f"\n{data}", *report(measured), sep="\n", flush=True)


def report(measured: Table) -> Iterator[str]:
    if "dense" in measured:
        yield from table(measured)
    if BASELINE in measured:
        yield from behind(measured)


if __name__ == "__main__":
    main()

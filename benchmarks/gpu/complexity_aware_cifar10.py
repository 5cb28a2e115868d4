"""Complexity-aware training of ResNet-56 on CIFAR-10, beside published rows of methods that prune it.

    python -m benchmarks.gpu.complexity_aware_cifar10 [--root ../shared/data] [--targets 0.5 0.3] [--prices 0.3 1.0]

200 epochs, batches of 128, SGD with Nesterov momentum 0.9, learning rate 0.1 on one cosine, weight decay 5e-4 on
everything; 1 % of the training images are held out and never used. A dense training, two per budget of MACs (on the
sampled and on the faded path), and one per price nu, for each seed. Test accuracy is that of the last epoch. Goal,
checked at the default targets: at least 94.2 % at half of the MACs and 93.0 % at 30 % of them. `--epochs 2 --subset 500
--device cpu` is a trial run. A run that is typed again continues.

Published rows: pvti/CORING, README (base network 93.26 %), as percent of parameters and MACs cut.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.trials import Metrics, new_parser, parse, percent, run_all
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value

PUBLISHED = (
    ("HRank-2", 93.17, 42.4, 50.0),
    ("ResRep", 93.71, None, 52.7),
    ("CHIP", 94.16, 42.8, 47.4),
    ("TPP", 93.46, None, 49.8),
    ("TPP", 92.35, None, 70.6),
    ("CHIP", 92.05, 71.8, 72.3),
    ("CORING", 92.84, 71.8, 72.3),
)
"""Method, test accuracy, percent of parameters cut (None: not given), percent of MACs cut."""

COSTS = ("params", "macs")
FADED: Mapping[str, Value] = {"path": "fade", "window": 0.7}
GOALS = {"target_macs=0.5": 94.2, "target_macs=0.3": 93.0}


def settings_of(options: argparse.Namespace) -> dict[str, tuple[str, Mapping[str, Value]]]:
    """Return the paradigm and its hyper-parameters of every row."""
    rows: dict[str, tuple[str, Mapping[str, Value]]] = {"dense": ("dense", {})}
    shared: Mapping[str, Value] = {"alpha": options.alpha, "beta": options.beta}
    for target in options.targets:
        rows[f"target_macs={target}"] = ("complexity_aware", {"target_macs": target, **shared})
        rows[f"fade, target_macs={target}"] = ("complexity_aware", {"target_macs": target, **shared, **FADED})
    for price in options.prices:
        rows[f"nu={price}"] = ("complexity_aware", {"nu": price, **shared})
    return rows


def trial(
    paradigm: str, values: Mapping[str, Value], seed: int, options: argparse.Namespace, trainings: int = 1
) -> TrialSpec:
    return TrialSpec(
        data=DataSpec(name="cifar10", root=options.root, validation=0.01, subset=options.subset),
        model=ModelSpec(name="resnet56"),
        training=TrainingSpec(lr=0.1, schedule="cosine", weight_decay=5e-4, batch_size=128),
        paradigm=paradigm,
        hyperparameters=values,
        epochs=trainings * options.epochs,
        seed=seed,
    )


def table(measured: Mapping[str, Sequence[Metrics]]) -> Iterator[str]:
    yield "| row | test accuracy, % | parameters cut, % | MACs cut, % |"
    yield "| --- | --- | --- | --- |"
    for name, rows in measured.items():
        accuracy = percent([row["test_accuracy"] for row in rows])
        yield f"| {name} | {accuracy} | {' | '.join(f'{cut:.1f}' for cut in costs_cut(rows))} |"
    for name, theirs, params, macs in PUBLISHED:
        yield f"| {name} (published) | {theirs} | {'-' if params is None else params} | {macs} |"


def costs_cut(rows: Sequence[Metrics]) -> tuple[float, float]:
    """Return by how many percent the parameters and the MACs are cut, on average over seeds."""
    params, macs = (statistics.mean(100 * (1 - row[what] / row[f"{what}_dense"]) for row in rows) for what in COSTS)
    return params, macs


def mean_accuracy(rows: Sequence[Metrics]) -> float:
    """Return the mean test accuracy in percent."""
    return 100 * statistics.mean(row["test_accuracy"] for row in rows)


def missed(measured: Mapping[str, Sequence[Metrics]]) -> Iterator[str]:
    for name, goal in GOALS.items():
        if name in measured:
            mean = mean_accuracy(measured[name])
            if mean < goal:
                yield f"{name}: {mean:.2f} % is below the goal of {goal} %"


def main() -> None:
    parser = new_parser(__doc__, "complexity_aware_cifar10", epochs=200, subset=None)
    parser.add_argument("--targets", type=float, nargs="*", default=[0.5, 0.3], help="shares of the dense MACs")
    parser.add_argument("--prices", type=float, nargs="*", default=[0.3, 1.0], help="values of nu")
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("--beta", type=float, default=0.5)
    options = parse(parser)
    wanted = [(name, seed) for seed in options.seeds for name in settings_of(options)]
    specs = [trial(*settings_of(options)[name], seed, options) for name, seed in wanted]
    measured: dict[str, list[Metrics]] = {}
    for (name, _), row in zip(wanted, run_all(specs, options), strict=True):
        measured.setdefault(name, []).append(row)
    failures = list(missed(measured))
    print(*table(measured), *failures, sep="\n")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

"""LeNets on MNIST from which units go while they train: which are left, how many parameters, which error.

    python -m benchmarks.parsimonious_mnist --out rows.jsonl [--root ../shared/data] [--epochs 10] [--seeds 0 1 2 3 4]

The networks that arXiv 2205.04650 names in its abstract, in the shapes that are usual for them: LeNet-300-100, LeNet-5
of the pruning literature (20 and 50 filters, 500 units) and the classical one (6 and 16 filters, 120 and 84 units, the
images padded to 32x32). Each is trained densely, and with gates on its units at the prices `--nu`, which are on
parameters (alpha 0). 6,000 of the 60,000 training images are held out for validation; test is all 10,000 test images.

A row is done once: rows that the file holds already are skipped, so that an interrupted run continues.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path

import torch

from benchmarks.complexity_aware_comparison import Quiet
from benchmarks.trials import Row, rows_in
from trainables import data, paradigms
from trainables.runner import evaluate_on, run_recipe
from trainables.spec import DataSpec, ModelSpec, Option, TrainingSpec, TrialSpec
from trainables.state import LiveTrial


@dataclass(frozen=True)
class Network:
    """A network by its name in the zoo and its options; `hidden` are its widths before anything goes."""

    model: str
    hidden: tuple[int, ...]
    options: Mapping[str, Option] = field(default_factory=dict)


NETWORKS = {
    "LeNet-300-100": Network("mlp", (300, 100)),
    "LeNet-5, 20-50-500": Network("lenet", (20, 50, 500)),
    "LeNet-5, 6-16-120-84": Network("lenet", (6, 16, 120, 84), {"widths": [6, 16, 120, 84], "padding": 2}),
}
DENSE = 0.0
"""The price at which nothing goes: no gates."""

_dataset = cache(data.load)


def new_trial(network: Network, nu: float, seed: int, options: argparse.Namespace) -> LiveTrial:
    """Return a trial of the network without gates, or with gates whose price is `nu`."""
    spec = TrialSpec(
        data=DataSpec(name="mnist", root=options.root, subset=options.images),
        model=ModelSpec(name=network.model, options=network.options),
        training=TrainingSpec(lr=options.lr, augment=False, precision="float32"),
        paradigm="unit_only" if nu else "dense",
        hyperparameters={"nu": nu, "alpha": 0.0} if nu else {},
        epochs=options.epochs,
        seed=seed,
    )
    return LiveTrial(spec, _dataset(spec.data), Quiet())


def measure_row(name: str, nu: float, seed: int, options: argparse.Namespace) -> Row:
    trial = new_trial(NETWORKS[name], nu, seed, options)
    dense = trial.cost()
    paradigm = paradigms.find(trial.spec.paradigm).create(trial.spec.hyperparameters)
    run_recipe(paradigm.recipe(options.epochs), trial)
    return {
        "network": name,
        "nu": nu,
        "seed": seed,
        "units": [group.size for group in trial.groups],
        "params": trial.cost().params,
        "dense": dense.params,
        "validation_error": 1 - evaluate_on(trial, "validation").accuracy,
        "test_error": 1 - evaluate_on(trial, "test").accuracy,
    }


def run(options: argparse.Namespace) -> list[Row]:
    keys = [(name, nu, seed) for seed in options.seeds for name in options.networks for nu in (DENSE, *options.nu)]
    return rows_in(
        Path(options.out), keys, itemgetter("network", "nu", "seed"), lambda one, _: measure_row(*one, options)
    )


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the rows of a Markdown table: means over seeds, and the lowest and the highest in brackets."""
    yield "| network | nu | units | parameters | of dense | validation error | test error | seeds |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for name, nu in sorted({(row["network"], row["nu"]) for row in rows}):
        own = [row for row in rows if (row["network"], row["nu"]) == (name, nu)]
        units = "-".join(f"{statistics.mean(layer):.0f}" for layer in zip(*(row["units"] for row in own), strict=True))
        params = statistics.mean(row["params"] for row in own)
        errors = " | ".join(_spread([100 * row[key] for row in own]) for key in ("validation_error", "test_error"))
        label = "dense" if nu == DENSE else f"{nu:g}"
        share = params / own[0]["dense"]
        yield f"| {name} | {label} | {units} | {params:,.0f} | {share:.3f} | {errors} | {len(own)} |"


def _spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="../shared/data", help="folder that holds MNIST")
    parser.add_argument("--out", required=True, help="JSON lines, one per row; read first, then added to")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=0.05, help="the peak learning rate (0.05)")
    parser.add_argument("--images", type=int, help="training images, instead of all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--nu", type=float, nargs="+", default=[1.0, 10.0], help="prices on parameters, in nats")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print("\n".join(table(run(options))))


if __name__ == "__main__":
    main()

"""When to prune, on real CIFAR-10 on a CPU: the known order of methods at 90 % weight sparsity, at a short budget.

    python -m benchmarks.paradigms_cifar10 [--root ../shared/data] [--epochs 6] [--subset 4000] [--threads 1]

ResNet-20, the same epochs in total for every method (comparison setup SX-A of arXiv 2301.05219), the same cosine
schedule from the same peak learning rate, batches of 32, images of full size. Magnitude pruning spends a third of its
epochs on the dense network, then prunes along the cubic schedule in the first half of the rest, with the learning
rate rewound; all others are sparse from the first step. Test accuracy is that of the last epoch, on all 10,000 images.

What is known from long trainings: pruning at initialisation surpasses random pruning and stays below magnitude pruning
after training (abstract of arXiv 2009.08576); random masks with ERK's layer-wise densities are a strong baseline (arXiv
2202.02643). The table says whether that shows at the budget given. A run that is typed again goes on.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.trials import Metrics, new_parser, parse, percent, run_all
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value

MAGNITUDE = "magnitude after training"
AT_INITIALIZATION = ("snip", "grasp", "synflow")
RANDOM = ("random, erk", "random, uniform")

METHODS: Mapping[str, tuple[str, Mapping[str, Value]]] = {
    "dense": ("dense", {}),
    MAGNITUDE: ("magnitude", {"schedule": "gradual", "weights": "rewind_lr", "finetune": 2 / 3, "ramp": 0.5}),
    "snip": ("snip", {"batches": 8}),
    "grasp": ("grasp", {"batches": 8}),
    "synflow": ("synflow", {"rounds": 100}),
    "random, erk": ("random", {"scope": "erk"}),
    "random, uniform": ("random", {"scope": "layer"}),
}

Table = Mapping[str, Sequence[Metrics]]


def trial(method: str, seed: int, options: argparse.Namespace) -> TrialSpec:
    paradigm, chosen = METHODS[method]
    sparsity = {} if paradigm == "dense" else {"sparsity": options.sparsity}
    return TrialSpec(
        data=DataSpec(name="cifar10", root=options.root, validation=0.02, subset=options.subset),
        model=ModelSpec(name="resnet20"),
        training=TrainingSpec(lr=options.lr, batch_size=32),
        paradigm=paradigm,
        hyperparameters={**sparsity, **chosen},
        epochs=options.epochs,
        seed=seed,
    )


def table(measured: Table) -> Iterator[str]:
    yield "| method | weights left | epochs | training cost | validation | test |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for method, rows in measured.items():
        left, epochs, cost = (
            statistics.mean(row[name] for row in rows) for name in ("params", "total_epochs", "train_cost")
        )
        validation, test = (percent([row[name] for row in rows]) for name in ("accuracy", "test_accuracy"))
        yield f"| {method} | {left:.0f} | {epochs:.0f} | {cost:.2f} | {validation} | {test} |"


def order(measured: Table) -> Iterator[str]:
    """Say of each pair of the known order whether the mean test accuracies have it."""
    pairs = [(MAGNITUDE, worse) for worse in AT_INITIALIZATION]
    pairs += [(better, worse) for better in AT_INITIALIZATION for worse in RANDOM]
    for better, worse in pairs:
        above, below = ([100 * row["test_accuracy"] for row in measured[name]] for name in (better, worse))
        difference = statistics.mean(above) - statistics.mean(below)
        apart = min(above) > max(below) or min(below) > max(above)
        seeds = "in all pairs of seeds" if apart else "the seeds overlap"
        yield f"{better} above {worse}: {'yes' if difference > 0 else 'NO'}, {difference:+.2f} points; {seeds}"


def main() -> None:
    parser = new_parser(__doc__, "paradigms_cifar10", epochs=6, subset=4_000)
    parser.set_defaults(device="cpu")
    parser.add_argument("--lr", type=float, default=0.05, help="peak learning rate (default 0.05)")
    parser.add_argument("--sparsity", type=float, default=0.9)
    options = parse(parser)
    wanted = [(method, seed) for seed in options.seeds for method in METHODS]
    metrics = run_all([trial(method, seed, options) for method, seed in wanted], options)
    measured: dict[str, list[Metrics]] = {method: [] for method in METHODS}
    for (method, _), row in zip(wanted, metrics, strict=True):
        measured[method].append(row)
    print(*table(measured), "", *order(measured), sep="\n")


if __name__ == "__main__":
    main()

"""When to prune, on real CIFAR-10 on a CPU: the known order of methods at 90 % weight sparsity, at a short budget.

    python -m benchmarks.paradigms_cifar10 [--root ../shared/data] [--epochs 20] [--subset 10000] [--threads 1]

ResNet-20, the same epochs in total for every method (comparison setup SX-A of arXiv 2301.05219), the same cosine
schedule from the same peak learning rate, batches of 64, images averaged to 16x16. Magnitude pruning spends a third of
its epochs on the dense network, then prunes along the cubic schedule in the first half of the rest, with the learning
rate rewound; all others are sparse from the first step. Two rows are outside of this setup: magnitude pruning with
twice the epochs, which trains the dense network to the end, prunes at once and trains again, as is usual where methods
are compared without counting what the dense training cost; and SNIP with as many, to tell what the epochs alone do.
Test accuracy is that of the last epoch, on all 10,000 images.

What is known from long trainings: pruning at initialisation surpasses random pruning and stays below magnitude pruning
after training (abstract of arXiv 2009.08576), but random pruning with good layer-wise densities is a strong baseline
(abstract of arXiv 2202.02643). What is printed says whether that shows at the budget given. A run that is typed again
goes on.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.trials import Method, Metrics, new_parser, parse, percent, run_all
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec

AFTER = ("magnitude", "magnitude, twice the epochs")
AT_INITIALIZATION = ("snip", "grasp", "synflow")
LONGER = "snip, twice the epochs"
RANDOM = ("random, erk", "random, uniform")

METHODS = {
    "dense": Method("dense"),
    "magnitude": Method("magnitude", {"schedule": "gradual", "weights": "rewind_lr", "finetune": 2 / 3, "ramp": 0.5}),
    "snip": Method("snip", {"batches": 8}),
    "grasp": Method("grasp", {"batches": 8}),
    "synflow": Method("synflow", {"rounds": 100}),
    "random, erk": Method("random", {"scope": "erk"}),
    "random, uniform": Method("random", {"scope": "layer"}),
    "magnitude, twice the epochs": Method("magnitude", {"weights": "rewind_lr", "finetune": 0.5}, trainings=2),
    LONGER: Method("snip", {"batches": 8}, trainings=2),
}

Table = Mapping[str, Sequence[Metrics]]


def trial(name: str, seed: int, options: argparse.Namespace) -> TrialSpec:
    method = METHODS[name]
    sparsity = {} if method.paradigm == "dense" else {"sparsity": options.sparsity}
    return TrialSpec(
        data=DataSpec(
            name="cifar10", root=options.root, validation=0.02, subset=options.subset, image_size=options.image_size
        ),
        model=ModelSpec(name="resnet20"),
        training=TrainingSpec(lr=options.lr, batch_size=options.batch_size),
        paradigm=method.paradigm,
        hyperparameters={**sparsity, **method.settings},
        epochs=method.trainings * options.epochs,
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
    pairs = [(better, worse) for better in AFTER for worse in (*AT_INITIALIZATION, *RANDOM)]
    pairs += [(better, worse) for better in AT_INITIALIZATION for worse in RANDOM]
    pairs += [("magnitude, twice the epochs", LONGER)]
    for better, worse in pairs:
        if not {better, worse} <= measured.keys():
            continue
        above, below = ([100 * row["test_accuracy"] for row in measured[name]] for name in (better, worse))
        difference = statistics.mean(above) - statistics.mean(below)
        apart = min(above) > max(below) or min(below) > max(above)
        seeds = "the seeds lie apart" if apart else "the seeds overlap"
        yield f"{better} above {worse}: {'yes' if difference > 0 else 'NO'}, {difference:+.2f} points; {seeds}"


def main() -> None:
    parser = new_parser(__doc__, "paradigms_cifar10", epochs=20, subset=10_000)
    parser.set_defaults(device="cpu")
    parser.add_argument("--lr", type=float, default=0.1, help="peak learning rate (default 0.1)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--image-size", type=int, default=16, help="side in pixels that images are averaged to (16)")
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    options = parse(parser)
    wanted = [(method, seed) for seed in options.seeds for method in options.methods]
    metrics = run_all([trial(method, seed, options) for method, seed in wanted], options)
    measured: dict[str, list[Metrics]] = {method: [] for method in options.methods}
    for (method, _), row in zip(wanted, metrics, strict=True):
        measured[method].append(row)
    print(*table(measured), "", *order(measured), sep="\n")


if __name__ == "__main__":
    main()

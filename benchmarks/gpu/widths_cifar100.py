"""Widths that are searched at constant MACs, beside published rows on CIFAR-100, in pieces of about twenty minutes.

    python -m benchmarks.gpu.widths_cifar100 [--root ../shared/data] [--rows network_adjustment ...] [--minutes 20]

Batches of 128, SGD with Nesterov momentum 0.9, one cosine for each training, augmented images; 2 % of the training
images are held out and never used. ResNet-20 by network adjustment as its authors do it (Chen et al. 2020, arXiv
2004.02767): ten rounds of 200 epochs, and 200 more, at rate 0.15 with weight decay 3e-4, beside the network before.
ResNet-34 by CONetV2's channel search (Wang et al. 2021, arXiv 2110.06830): 36 rounds of 2 epochs from 32 channels
everywhere, scaled to the MACs of the network, and 200 epochs, at rate 0.1 with weight decay 5e-4, and not AdaS.

A call trains the next trials until `--minutes` are over, then says what is left; a trial that is interrupted continues
from its last epoch, which is kept beside the results. Type it again until nothing is left: the table is printed at the
end of each call, of the trials so far. `--data cifar10 --epochs 2 --subset 500 --device cpu --seeds 0` is a trial run;
none was made on a GPU yet.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.gpu.complexity_aware_cifar10 import costs_cut
from benchmarks.trials import Metrics, add_minutes, new_parser, parse, percent, run_rows
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value

ROUNDS, SEARCH = 10, 72
"""How often network adjustment moves widths; how many epochs channel search seeks them for."""
TRAINED = 200
"""The epochs of a training at full length."""
SMALL = TrainingSpec(lr=0.15, weight_decay=3e-4)
LARGE = TrainingSpec(lr=0.1, weight_decay=5e-4)


@dataclass(frozen=True)
class Row:
    """A network, how its widths are found, for how many trainings' epochs, and the published accuracy in percent."""

    network: str
    training: TrainingSpec
    paradigm: str = "dense"
    settings: Mapping[str, Value] = field(default_factory=dict)
    trainings: float = 1.0
    published: float | None = None


ROWS = {
    "resnet20": Row("resnet20", SMALL, published=69.52),
    "network_adjustment": Row(
        "resnet20", SMALL, "network_adjustment", {"rounds": ROUNDS}, trainings=1 + ROUNDS, published=71.57
    ),
    "resnet34": Row("torchvision/resnet34", LARGE),
    "channel_search": Row(
        "torchvision/resnet34",
        LARGE,
        "channel_search",
        {"target_macs": 1.0, "search": SEARCH / (SEARCH + TRAINED)},
        trainings=1 + SEARCH / TRAINED,
    ),
}

Measured = Mapping[str, Sequence[Metrics]]


def trial(row: Row, seed: int, epochs: int, data: DataSpec) -> TrialSpec:
    """Return the trial of a row whose trainings take so many epochs each."""
    return TrialSpec(
        data=data,
        model=ModelSpec(name=row.network),
        training=row.training,
        paradigm=row.paradigm,
        hyperparameters=row.settings,
        epochs=round(row.trainings * epochs),
        seed=seed,
    )


def table(measured: Measured) -> Iterator[str]:
    """Yield the rows measured so far; all that is trained counts in trainings of the row's network as it was."""
    yield "| row | seeds | test accuracy, % | published | parameters cut, % | MACs cut, % | trainings |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, rows in measured.items():
        cuts = " | ".join(f"{cut:.1f}" for cut in costs_cut(rows))
        accuracy, published = percent([row["test_accuracy"] for row in rows]), ROWS[name].published
        cost = ROWS[name].trainings * statistics.mean(row["train_cost"] for row in rows)
        yield f"| {name} | {len(rows)} | {accuracy} | {published or '-'} | {cuts} | {cost:.2f} |"


def main() -> None:
    parser = new_parser(__doc__, "widths_cifar100", epochs=TRAINED, subset=None)
    parser.add_argument("--data", choices=("cifar100", "cifar10"), default="cifar100")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    add_minutes(parser)
    options = parse(parser)
    data = DataSpec(name=options.data, root=options.root, validation=0.02, subset=options.subset)
    measured, _ = run_rows(options.rows, lambda name, seed: trial(ROWS[name], seed, options.epochs, data), options)
    print(*table(measured), sep="\n")


if __name__ == "__main__":
    main()

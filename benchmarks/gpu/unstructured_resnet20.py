"""Weight pruning of ResNet-20 on CIFAR-10, before and after training, from 59 to 98 % sparsity.

    python -m benchmarks.gpu.unstructured_resnet20 [--root ../shared/data] [--levels 4 7 10 14 18]

Training is that of facebookresearch/open_lth, models/cifar_resnet.py: 160 epochs, batches of 128, SGD with momentum
0.9, learning rate 0.1, x0.1 at epochs 80 and 120, weight decay 1e-4. What prunes at initialisation trains once.
Magnitude pruning trains, prunes at once and trains again with the learning rate rewound; the lottery ticket (LTR) goes
back to its weights of step 500 instead. 500 of the training images are held out and never used. Test accuracy is that
of the last epoch. `--epochs 1 --subset 500 --device cpu --levels 10` is a trial run. A run that is typed again goes on.

"Pruning Neural Networks at Initialization: Why Are We Missing the Mark?" (arXiv 2009.08576) says in its abstract that
SNIP, GraSP and SynFlow surpass random pruning and stay below magnitude pruning after training; that is checked. The
figures in the column "background" are recollections of the field, unverified and good to 0.3 points at best: they are
no paper's figures and must not be cited as such.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.trials import Metrics, new_parser, parse, percent, run_all
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value

LEVELS = (4, 7, 10, 14, 18)
"""How often a fifth of the weights is gone: sparsities 59.0, 79.0, 89.3, 95.6 and 98.2 %."""

REWIND = 1.28 / 160
"""Step 500 of a training, as a share of it."""


@dataclass(frozen=True)
class Method:
    """How a row is trained, for how many trainings' epochs, and its unverified background figures by level."""

    paradigm: str
    settings: Mapping[str, Value]
    trainings: int = 1
    background: tuple[float, ...] = ()


AFTER, RANDOM = "magnitude after training", "random, uniform"
AT_INITIALIZATION = ("snip", "grasp", "synflow")
METHODS = {
    AFTER: Method("magnitude", {"finetune": 0.5, "weights": "rewind_lr"}, 2, (91.7, 91.1, 89.4, 85.2, 77.7)),
    "lottery ticket, one round": Method("lottery_ticket", {"rounds": 1}, 2, (91.7, 91.1, 89.2, 84.4, 77.3)),
    "snip": Method("snip", {}, 1, (90.7, 89.0, 87.2, 82.5, 74.0)),
    "grasp": Method("grasp", {}, 1, (90.6, 89.1, 87.0, 82.8, 76.0)),
    "synflow": Method("synflow", {}, 1, (90.8, 89.5, 87.4, 82.9, 76.4)),
    RANDOM: Method("random", {"scope": "layer"}, 1, (90.5, 88.4, 85.6, 79.6, 43.7)),
    "random, erk": Method("random", {"scope": "erk"}),
}

Measured = Mapping[tuple[str, int], Sequence[Metrics]]
"""The metrics of all seeds by method and level."""


def sparsity(level: int) -> float:
    return 1 - 0.8**level


def trial(name: str, level: int, seed: int, options: argparse.Namespace) -> TrialSpec:
    method = METHODS[name]
    rewound: Mapping[str, Value] = {"rewind_epoch": REWIND * options.epochs} if "ticket" in method.paradigm else {}
    return TrialSpec(
        data=DataSpec(name="cifar10", root=options.root, validation=0.01, subset=options.subset),
        model=ModelSpec(name="resnet20"),
        training=TrainingSpec(schedule="step", nesterov=False, weight_decay=1e-4),
        paradigm=method.paradigm,
        hyperparameters={"sparsity": sparsity(level), **method.settings, **rewound},
        epochs=method.trainings * options.epochs,
        seed=seed,
    )


def table(measured: Measured) -> Iterator[str]:
    yield "| method | sparsity | test, mean (least to greatest) | background, unverified | difference to it |"
    yield "| --- | --- | --- | --- | --- |"
    for (name, level), rows in measured.items():
        scores = [row["test_accuracy"] for row in rows]
        background = dict(zip(LEVELS, METHODS[name].background, strict=False)).get(level)
        beside = f"{background:.1f} | {100 * statistics.mean(scores) - background:+.1f}" if background else "- | -"
        yield f"| {name} | {sparsity(level):.1%} | {percent(scores)} | {beside} |"


def order(measured: Measured) -> Iterator[str]:
    """Say where the order of the abstract of arXiv 2009.08576 shows in the means."""
    levels = dict.fromkeys(level for _, level in measured)
    pairs = [(AFTER, one) for one in AT_INITIALIZATION] + [(one, RANDOM) for one in AT_INITIALIZATION]
    for better, worse in pairs:
        holds = [f"{sparsity(level):.1%} {_difference(measured, better, worse, level):+.2f}" for level in levels]
        yield f"{better} above {worse}, in points: {', '.join(holds)}"


def _difference(measured: Measured, better: str, worse: str, level: int) -> float:
    above, below = (statistics.mean(row["test_accuracy"] for row in measured[name, level]) for name in (better, worse))
    return 100 * (above - below)


def main() -> None:
    parser = new_parser(__doc__, "unstructured_resnet20", epochs=160, subset=None)
    parser.add_argument("--levels", type=int, nargs="+", choices=LEVELS, default=LEVELS, help="how often a fifth goes")
    options = parse(parser)
    wanted = [(name, level, seed) for seed in options.seeds for name in METHODS for level in options.levels]
    specs = [trial(*one, options) for one in wanted]
    shared = {method.paradigm: options.epochs for method in METHODS.values() if method.trainings > 1}
    measured: dict[tuple[str, int], list[Metrics]] = {}
    for (name, level, _), row in zip(wanted, run_all(specs, options, shared), strict=True):
        measured.setdefault((name, level), []).append(row)
    print(*table(measured), "", *order(measured), sep="\n")


if __name__ == "__main__":
    main()

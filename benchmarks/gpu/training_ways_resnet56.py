"""Ways to prune ResNet-56 on CIFAR-10 while it trains, beside published rows, in pieces of about twenty minutes.

    python -m benchmarks.gpu.training_ways_resnet56 [--root ../shared/data] [--rows auto_train_once ...] [--minutes 20]

The setting of `benchmarks.gpu.complexity_aware_cifar10`: batches of 128, SGD with Nesterov momentum 0.9, learning rate
0.1 on one cosine, weight decay 5e-4; 1 % of the training images are held out and never used. 200 epochs, 400 in total
for what is finetuned as long as it is trained. A call trains the next trials until `--minutes` are over, then says what
is left; a trial that is interrupted continues from its last epoch, which is kept beside the results. Type it again
until nothing is left: the table is printed at the end of each call, of the trials so far.
`--epochs 2 --subset 500 --device cpu --seeds 0` is a trial run; none was made on a GPU yet.

Goals and published rows are the seeds': Auto-Train-Once at least 93.3 % at half of the MACs, polarization 93.83 % with
47 % of the MACs cut, ManiDP an error of 6.4 % with 62 % cut, consensus within a point of dense with 20 % cut.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.gpu.complexity_aware_cifar10 import costs_cut, mean_accuracy, trial
from benchmarks.trials import Method, Metrics, add_minutes, new_parser, parse, percent, run_rows
from trainables.spec import TrialSpec

POLARIZED = 0.53
"""The share of the MACs of the published row."""


@dataclass(frozen=True)
class Row:
    """How a row is trained, and which test accuracy in percent is its goal; below 0: how far it may be below dense."""

    method: Method
    goal: float | None = None


ROWS = {
    "dense": Row(Method("dense")),
    "auto_train_once": Row(Method("auto_train_once", {"target_macs": 0.5, "updates": 4000}), 93.3),
    "polarization": Row(
        Method("polarization", {"target_macs": POLARIZED, "strength": 5e-5, "t": 1.4, "finetune": 0.5}, 2), 93.83
    ),
    "manifold_dynamic": Row(Method("manifold_dynamic", {"target_macs": 0.38, "ramp": 1.0, "similarity": 1.0}), 93.6),
    "consensus": Row(Method("consensus", {"target_macs": 0.8}), -1.0),
    "consensus, channels": Row(Method("consensus", {"target_macs": 0.8, "granularity": "channel"}), -1.0),
    "group_envelope": Row(Method("group_envelope", {"target_macs": 0.5})),
    "weight_unification": Row(Method("weight_unification", {"prune": 0.5, "unify": 0.5, "finetune_lr": 1.0})),
}

Measured = Mapping[str, Sequence[Metrics]]


def table(measured: Measured) -> Iterator[str]:
    yield "| row | seeds | test accuracy, % | goal | parameters cut, % | MACs cut, % |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, rows in measured.items():
        cuts = " | ".join(f"{cut:.1f}" for cut in costs_cut(rows))
        accuracy = percent([row["test_accuracy"] for row in rows])
        goal = goal_of(name, measured)
        yield f"| {name} | {len(rows)} | {accuracy} | {'-' if goal is None else f'{goal:.2f}'} | {cuts} |"


def goal_of(name: str, measured: Measured) -> float | None:
    """Return the accuracy in percent that a row should reach; None if there is none, or if it is of a row to come."""
    goal = ROWS[name].goal
    if goal is None or goal >= 0:
        return goal
    return mean_accuracy(measured["dense"]) + goal if measured.get("dense") else None


def missed(measured: Measured) -> Iterator[str]:
    for name, rows in measured.items():
        goal, mean = goal_of(name, measured), mean_accuracy(rows)
        if goal is not None and mean < goal:
            yield f"{name}: {mean:.2f} % is below the goal of {goal:.2f} %"


def main() -> None:
    parser = new_parser(__doc__, "training_ways_resnet56", epochs=200, subset=None)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    add_minutes(parser)
    options = parse(parser)

    def of(name: str, seed: int) -> TrialSpec:
        method = ROWS[name].method
        return trial(method.paradigm, method.settings, seed, options, method.trainings)

    measured, left = run_rows(options.rows, of, options)
    failures = list(missed(measured))
    print(*table(measured), *failures, sep="\n")
    sys.exit(1 if failures and not left else 0)


if __name__ == "__main__":
    main()

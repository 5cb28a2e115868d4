"""What the knobs of complexity-aware training do, and what it costs and saves while it trains.

    python benchmarks/complexity_aware.py knobs --out knobs.jsonl [--seeds 0 1 2]
    python benchmarks/complexity_aware.py speed [--size 32] [--batch 128]
    python benchmarks/complexity_aware.py epochs [--root ../shared/data] [--size 32]
    python benchmarks/complexity_aware.py picture --out knobs.jsonl --comparison rows.jsonl [--to picture.png]

`knobs` trains on scikit-learn's digits, with a fifth held out for validation: the small plain network for nu and the
estimators, ResNet-20 for beta and alpha. Rows that the file holds already are skipped. `speed` needs no data; it times
training steps in CPU seconds of one thread, networks taking turns. `epochs` trains to half the MACs, on the digits and
on a subset of real CIFAR-10, beside a dense training of the same epochs. Exit status 1 if a check fails: nu prunes
monotonically more, alpha moves the saving, Taylor leaves more gates undecided than the trapezoid; gating costs at most
1.15 of a dense step, and a step at half the MACs at most 0.75 in float32.
"""

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainables import data
from trainables.context import Report, SaveCheckpoint
from trainables.data.batches import Batches
from trainables.data.dataset import Dataset, Split
from trainables.gates.structures import find_structures
from trainables.methods.attach import attach
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Recipe, Train
from trainables.runner import evaluate_on, run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.structure.removal import plan_removal, remove
from trainables.tasks.classification import CLASSIFICATION
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.training import train_epoch

MOST_OVERHEAD = 1.15
MOST_AT_HALF = 0.75
EPOCHS = 30
WINDOW = 18

Row = dict[str, Any]

KNOBS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{f"nu {nu}": ("digits_cnn", {"nu": nu}) for nu in (0.1, 0.3, 1.0, 3.0, 10.0)},
    "taylor, nu 1.0": ("digits_cnn", {"nu": 1.0, "unit_estimator": "taylor"}),
    "unsettled, nu 1.0": ("digits_cnn", {"nu": 1.0, "settle": 0.0}),
    "sampling 1, nu 1.0": ("digits_cnn", {"nu": 1.0, "sampling": 1.0}),
    "taylor, sampling 1, nu 1.0": ("digits_cnn", {"nu": 1.0, "sampling": 1.0, "unit_estimator": "taylor"}),
    **{f"beta {beta}": ("resnet20", {"nu": 3.0, "beta": beta}) for beta in (0.0, 0.25, 0.5, 0.75, 1.0)},
    **{f"alpha {alpha}": ("resnet20", {"nu": 3.0, "alpha": alpha}) for alpha in (0.0, 0.5)},
}
"""The rows: the network, and what differs from the defaults. ``beta 0.5`` is also the row of alpha 1."""


MARKERS = {"dense": "s", "complexity_aware": "o", "uniform": "^", "l1": "v", "found": "D"}


class Silent:
    """A context that keeps nothing."""

    device = "cpu"
    cache = None

    def report(self, report: Report, save: SaveCheckpoint) -> None: ...

    def restore(self) -> None:
        return None


def knob_row(name: str, seed: int, epochs: int) -> Row:
    model, settings = KNOBS[name]
    spec = TrialSpec(
        data=DataSpec(name="digits", validation=0.2),
        model=ModelSpec(name=model),
        training=TrainingSpec(batch_size=64, lr=0.05),
        paradigm="dense",
        epochs=epochs,
        seed=seed,
    )
    trial = LiveTrial(spec, data.load(spec.data), Silent())
    dense = trial.cost()
    gating = Gating(epochs=round(WINDOW / EPOCHS * epochs), every=2, **{"alpha": 1.0, **settings})
    run_recipe((Train(epochs, during=gating),), trial)
    left, inner = trial.cost(), [group.size for group in trial.groups if not group.coupled]
    return {
        "name": name,
        "seed": seed,
        "macs": left.macs / dense.macs,
        "params": left.params / dense.params,
        "validation": evaluate_on(trial, "validation").accuracy,
        "undecided": trial.measured["gates_undecided"],
        "blocks": 9 - len(trial.dropped) if model == "resnet20" else 0,
        "width": statistics.mean(inner) if inner else 0.0,
    }


def knobs(options: argparse.Namespace) -> list[Row]:
    path = Path(options.out)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(row["name"], row["seed"]) for row in rows}
    for seed in options.seeds:
        for name in KNOBS:
            if (name, seed) not in done:
                rows.append(knob_row(name, seed, options.epochs))
                with path.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    return rows


COLUMNS = ("macs", "params", "validation", "undecided", "blocks", "width")


def means(rows: list[Row]) -> dict[str, dict[str, float]]:
    names = [name for name in KNOBS if any(row["name"] == name for row in rows)]
    return {
        name: {column: statistics.mean(row[column] for row in rows if row["name"] == name) for column in COLUMNS}
        for name in names
    }


def table(rows: list[Row]) -> Iterator[str]:
    yield "| setting | " + " | ".join(COLUMNS) + " | seeds |"
    yield "| --- " * (len(COLUMNS) + 2) + "|"
    for name in means(rows):
        own = [row for row in rows if row["name"] == name]
        cells = (_spread([row[column] for row in own]) for column in COLUMNS)
        yield f"| {name} | {' | '.join(cells)} | {len(own)} |"


def _spread(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{deviation}"


def failures_of_knobs(rows: list[Row]) -> list[str]:
    mean = means(rows)
    macs = [values["macs"] for name, values in mean.items() if name.startswith("nu ")]
    checks = {
        "nu prunes monotonically more": macs == sorted(macs, reverse=True),
        "alpha moves the saving to parameters": mean["alpha 0.0"]["params"] < mean["beta 0.5"]["params"],
        "alpha moves the saving to MACs": mean["beta 0.5"]["macs"] < mean["alpha 0.0"]["macs"],
        "beta keeps fewer blocks": mean["beta 1.0"]["blocks"] <= mean["beta 0.0"]["blocks"],
        "Taylor prunes more": mean["taylor, sampling 1, nu 1.0"]["macs"] < mean["sampling 1, nu 1.0"]["macs"],
    }
    return [name for name, holds in checks.items() if not holds]


@dataclass
class Stepper:
    """A network whose training steps can be timed."""

    model: nn.Module
    batches: Batches
    companion: Companion
    precision: torch.dtype

    def __post_init__(self) -> None:
        self.optimizer = optimizer_for(self.model, TrainingSpec())

    def seconds(self) -> float:
        """Train one epoch and return its CPU seconds."""
        begin = time.process_time()
        train_epoch(
            self.model,
            self.batches,
            self.optimizer,
            lambda _: 0.01,
            task=CLASSIFICATION,
            precision=self.precision,
            companion=self.companion,
        )
        return time.process_time() - begin


def random_images(count: int, shape: tuple[int, int, int]) -> Split:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, *shape), generator=generator, dtype=torch.uint8)
    return Split(images, torch.randint(0, 10, (count,), generator=generator))


def random_trial(name: str, shape: tuple[int, int, int], batch: int, precision: str) -> LiveTrial:
    split = random_images(STEPS[name] * batch, shape)
    mean, std = (0.5,) * shape[0], (0.25,) * shape[0]
    found = Dataset("cifar10", 10, split, split, split, mean, std, "random")
    training = TrainingSpec(batch_size=batch, precision=precision, augment=False)  # type: ignore[arg-type]
    spec = TrialSpec(
        data=DataSpec(name="digits"), model=ModelSpec(name=name), training=training, paradigm="dense", epochs=1
    )
    return LiveTrial(spec, found, Silent())


STEPS = {"resnet20": 4, "digits_cnn": 64}
"""How many steps are timed at once: enough that a hiccup of the machine does not count."""

HALVES: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "resnet20": {"half by units": (0.5,) * 9, "half by blocks": (0.92, 0) * 4 + (0.92,)},
    "digits_cnn": {"half by units": (0.7, 0.7, 0.7), "half by units, multiples of 16": (0.5, 1, 0.5)},
}
"""Ways to about half of the MACs: the share of its units that each gated layer keeps; 0: its block goes."""


def halved(trial: LiveTrial, shares: tuple[float, ...]) -> nn.Module:
    """Return a copy whose gated layers keep these shares of their units."""
    model = copy.deepcopy(trial.model)
    found = find_structures(model, trial.groups)
    kept = {group: round(share * group.size) for group, share in zip(found.groups, shares, strict=True)}
    dropped = [found.branches[group.branch].block for group, count in kept.items() if not count]
    keep = {group.name: torch.arange(group.size) < count for group, count in kept.items() if count}
    remove(model, plan_removal(trial.groups, keep, dropped))
    return model


def speed(options: argparse.Namespace) -> list[str]:
    failed = []
    shape = (3, options.size, options.size)
    for name, of_shape in (("resnet20", shape), ("digits_cnn", (1, 8, 8))):
        for precision in ("float32", "bfloat16"):
            ratios = dict(step_ratios(name, of_shape, options.batch, precision, options.rounds))
            for what, ratio in ratios.items():
                print(f"{name} {precision}: {what}: {ratio:.2f}", flush=True)
            if max(ratio for what, ratio in ratios.items() if what.startswith("gated")) > MOST_OVERHEAD:
                failed.append(f"{name} {precision}: gating costs more than {MOST_OVERHEAD}")
            if precision == "float32" and min(v for k, v in ratios.items() if k.startswith("half")) > MOST_AT_HALF:
                failed.append(f"{name}: a step at half the MACs costs more than {MOST_AT_HALF}")
    return failed


def step_ratios(
    name: str, shape: tuple[int, int, int], batch: int, precision: str, rounds: int
) -> Iterator[tuple[str, float]]:
    """Yield the median over rounds of each network's seconds as a share of the dense one's in the same round."""
    trial = random_trial(name, shape, batch, precision)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    steppers = {"dense": Stepper(trial.model, trial.batches(), Companion(), dtype)}
    slow = Gating(epochs=10_000, warmup=0.0)  # probabilities move, too slowly for anything to go
    gatings = {"gated, nothing removed": replace(slow, nu=1.0), "gated to a budget": replace(slow, target_macs=0.5)}
    for label, gating in gatings.items():
        gated = random_trial(name, shape, batch, precision)
        gated.optimizer = optimizer_for(gated.model, TrainingSpec())
        companion = attach(gating, gated, 10_000 * len(gated.batches()))
        steppers[label] = Stepper(gated.model, gated.batches(), companion, dtype)
    dense = trial.cost().macs
    for label, shares in HALVES[name].items():
        smaller = halved(trial, shares)
        share = measure(smaller, shape).macs / dense
        steppers[f"{label} ({share:.2f} of the MACs)"] = Stepper(smaller, trial.batches(), Companion(), dtype)
    times: dict[str, list[float]] = {label: [] for label in steppers}
    for _ in range(rounds + 1):
        for label, stepper in steppers.items():
            times[label].append(stepper.seconds())
    for label in list(steppers)[1:]:
        yield label, _median(own / dense for own, dense in list(zip(times[label], times["dense"], strict=True))[1:])


class Clock(Silent):
    """A context that notes the CPU seconds of every epoch, and the MACs of the network at its end."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.macs: list[int] = []
        self._before = time.process_time()

    def train(self, recipe: Recipe, trial: LiveTrial) -> None:
        self._trial = trial
        self._before = time.process_time()
        run_recipe(recipe, trial)
        self._note()  # the last epoch is its caller's to report

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - nothing is saved
        self._note()

    def _note(self) -> None:
        self.seconds.append(time.process_time() - self._before)
        self.macs.append(self._trial.cost().macs)
        self._before = time.process_time()


@dataclass(frozen=True)
class Whole:
    """A whole training to half of the MACs; `rounds` of it in turns with the dense one, because small ones jitter."""

    batch_size: int
    lr: float
    epochs: int
    rounds: int
    round_to: int

    @property
    def gating(self) -> Gating:
        return Gating(epochs=round(0.4 * self.epochs), target_macs=0.5, beta=0.25, round_to=self.round_to)


WHOLE: Mapping[str, Whole] = {
    "digits_cnn": Whole(batch_size=64, lr=0.05, epochs=20, rounds=7, round_to=16),
    "resnet20": Whole(batch_size=128, lr=0.1, epochs=10, rounds=1, round_to=1),
}
"""The first stage of ResNet-20 is 16 channels wide: in sixteens its units would all stay."""


def clocked(name: str, precision: str, options: argparse.Namespace, gating: Gating | None = None) -> Clock:
    """Train a network, gated or dense, with a clock."""
    whole = WHOLE[name]
    of_digits = DataSpec(name="digits", validation=0.2)
    of_cifar10 = DataSpec(name="cifar10", root=options.root, subset=2_000, image_size=options.size, validation=0.01)
    spec = TrialSpec(
        data=of_digits if name == "digits_cnn" else of_cifar10,
        model=ModelSpec(name=name),
        training=TrainingSpec(precision=precision, batch_size=whole.batch_size, lr=whole.lr),  # type: ignore[arg-type]
        paradigm="dense",
        epochs=whole.epochs,
    )
    clock = Clock()
    stage = Train(whole.epochs, during=gating) if gating else Train(whole.epochs)
    clock.train((stage,), LiveTrial(spec, data.load(spec.data), clock))
    return clock


def epochs_beside_dense(options: argparse.Namespace) -> None:
    for name, whole in WHOLE.items():
        for precision in ("float32", "bfloat16"):
            dense, pruned = [], []
            for _ in range(whole.rounds):
                dense.append(clocked(name, precision, options))
                pruned.append(clocked(name, precision, options, whole.gating))
            share = _median(sum(c.seconds) for c in pruned) / _median(sum(c.seconds) for c in dense)
            print(f"{name} {precision}: whole training {share:.2f} of the dense one, gates gone at 0.4 of it")
            typical = _median(s for clock in dense for s in clock.seconds[1:])
            for epoch, macs in enumerate(pruned[0].macs):
                seconds = _median(clock.seconds[epoch] for clock in pruned) / typical
                print(f"  epoch {epoch + 1:2d}: {seconds:.2f} of the seconds, {macs / dense[0].macs[0]:.2f} of MACs")


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def picture(options: argparse.Namespace) -> None:
    import matplotlib.pyplot as plt

    rows = [json.loads(line) for line in Path(options.out).read_text().splitlines()]
    compared = [json.loads(line) for line in Path(options.comparison).read_text().splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    own = [row for row in rows if row["name"].startswith("nu ")]
    prices = sorted({float(row["name"].removeprefix("nu ")) for row in own})
    for column in ("macs", "params"):
        values = [[row[column] for row in own if row["name"] == f"nu {nu}"] for nu in prices]
        left.errorbar(
            prices, [statistics.mean(v) for v in values], [_deviation(v) for v in values], capsize=3, label=column
        )
    left.set(xscale="log", xlabel="nu (nats)", ylabel="share left", title="digits: the price prunes")
    left.legend()
    for method, marker in MARKERS.items():
        points = [row for row in compared if row["method"] == method]
        budgets = sorted({row["budget"] for row in points})
        scores = [[100 * row["test"] for row in points if row["budget"] == budget] for budget in budgets]
        across = [statistics.mean(row["macs"] for row in points if row["budget"] == budget) for budget in budgets]
        heights, spreads = [statistics.mean(own) for own in scores], [_deviation(own) for own in scores]
        label = f"{method}, {max(map(len, scores), default=0)} seeds"
        right.errorbar(across, heights, spreads, fmt=marker, capsize=3, label=label)
    right.set(xlabel="share of the dense MACs", ylabel="test accuracy, %", title="CIFAR-10 subset, ResNet-20")
    right.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(options.to, dpi=110)


def _deviation(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("knobs", "speed", "epochs", "picture"))
    parser.add_argument("--out", default="knobs.jsonl", help="JSON lines, one per row; read first, then added to")
    parser.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--root", default="../shared/data", help="folder that holds cifar-10-batches-py")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--comparison", help="the rows of complexity_aware_comparison.py")
    parser.add_argument("--to", default="complexity_aware.png")
    return parser.parse_args()


def main() -> None:
    torch.set_num_threads(1)
    options = parse()
    failed: list[str] = []
    if options.what == "knobs":
        rows = knobs(options)
        print("\n".join(table(rows)))
        failed = failures_of_knobs(rows)
    elif options.what == "speed":
        failed = speed(options)
    elif options.what == "epochs":
        epochs_beside_dense(options)
    else:
        picture(options)
    for failure in failed:
        print(f"does not hold: {failure}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

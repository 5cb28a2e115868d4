"""Adversarial training of an equilibrium network on digits: by JIIO, and by PGD with an equilibrium for each step.

    python -m benchmarks.equilibrium [--seeds 3] [--epochs 6] [--train 800] [--images 100]

Both train the same network on `--train` images, from the same seeds on the same batches, one after the other. Printed
are the seconds of an epoch (the median; of both, their ratio), and the accuracy on test images: clean on all; on
`--images` of them, within the radius, under PGD with 20 and 100 steps, and with 20 steps along slopes that do not rest
on the equilibrium (of all iterations unrolled, and of the states on the way). `worst` is the least of these. `dense` is
trained on clean images.
"""

import argparse
import statistics
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

from trainables import data
from trainables.context import Report, SaveCheckpoint
from trainables.errors import NotSettled
from trainables.evaluation.bench import Attack, Bench
from trainables.evaluation.distributions import Clean
from trainables.evaluation.settling import measure_settling
from trainables.paradigms.equilibrium import Equilibrium
from trainables.recipes.recipe import Recipe, Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, Option, TrainingSpec, TrialSpec
from trainables.state import LiveTrial

NETWORK: Mapping[str, Option] = {"channels": 16, "iterations": 10, "jacobian": 3.0}
RADIUS, STEPS = 0.05, 10
ATTACKS = ("pgd20", "pgd100", "unrolled", "intermediate")


@dataclass
class Timed:
    """A context that keeps the seconds of each epoch."""

    device: str = "cpu"
    cache: Path | None = None
    seconds: list[float] = field(default_factory=list)

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - nothing is saved
        self.seconds.append(report.seconds)

    def restore(self) -> Path | None:
        return None


def recipes(epochs: int) -> Mapping[str, Recipe]:
    """Return what is compared, by its name."""
    return {
        "dense": (Train(epochs),),
        "jiio": Equilibrium(radius=RADIUS).recipe(epochs),
        f"pgd{STEPS}": Equilibrium(attack="pgd", radius=RADIUS, steps=STEPS).recipe(epochs),
    }


loaded = cache(data.load)


def trained(recipe: Recipe, epochs: int, images: int, seed: int) -> tuple[LiveTrial, float]:
    """Return a trial after its training on so many images, and the median of the seconds of its epochs."""
    context = Timed()
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=images),
        model=ModelSpec(name="deq", options=NETWORK),
        training=TrainingSpec(lr=0.3, batch_size=64),
        paradigm="equilibrium",
        epochs=epochs,
        seed=seed,
    )
    trial = LiveTrial(spec, loaded(spec.data), context)
    run_recipe(recipe, trial)
    with suppress(NotSettled):  # the residual is in the row
        measure_settling(trial)
    return trial, statistics.median(context.seconds)


def measured(trial: LiveTrial, images: int) -> dict[str, float]:
    """Return the accuracies on test images, clean on all of them, and the residual on validation images."""
    model = trial.model.eval()
    clean = Bench(trial.dataset, None).measure(Clean(), model)["accuracy@clean"]
    attacked = Bench(trial.dataset, None, images=images).measure(Attack(RADIUS), model)
    accuracies = {name: attacked[f"accuracy@{name}_{RADIUS:g}"] for name in ATTACKS}
    return {"clean": clean, **accuracies, "worst": min(accuracies.values()), "residual": trial.measured["residual"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--train", type=int, default=800)
    parser.add_argument("--images", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in range(options.seeds):
        for name, recipe in recipes(options.epochs).items():
            trial, seconds = trained(recipe, options.epochs, options.train, seed)
            row = {"seconds": seconds, **measured(trial, options.images)}
            rows.setdefault(name, []).append(row)
            print(f"seed {seed} {name:6s}", *(f"{key} {value:.3g}" for key, value in row.items()), flush=True)
    for name, of_seeds in rows.items():
        print(name, *(spread(key, [row[key] for row in of_seeds]) for key in of_seeds[0]))
    ratios = [slow["seconds"] / quick["seconds"] for slow, quick in zip(rows[f"pgd{STEPS}"], rows["jiio"], strict=True)]
    print(f"an epoch of pgd{STEPS} takes", *(f"{ratio:.2f}" for ratio in ratios), "times as long as one of jiio")


def spread(key: str, values: list[float]) -> str:
    """Return the mean of seeds, and from where to where they lie."""
    return f"{key} {statistics.mean(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()

"""Adversarial training of an equilibrium network: by JIIO, and by PGD with an equilibrium for each step.

    python -m benchmarks.equilibrium [--data digits] [--root ../shared/data] [--seeds 0 1 2] [--epochs 10]
                                     [--train 800] [--images 360] [--radius 0.05] [--results FILE]

Both train the same network on `--train` images, from the same seeds on the same batches, one after the other. Printed
are the seconds of an epoch (the median; by the clock, and of the processor, which other work on the machine changes
less), and the accuracy on test images: clean on all; on `--images` of them, within the radius, under PGD with 20 and
100 steps, and with 20 steps along slopes that do not rest on the equilibrium (of all iterations unrolled, and of the
states on the way). `worst` is the least of these. `dense` is trained on clean images. Rows that the results file holds
are not run again.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

import torch

from benchmarks.trials import Row, rows_in
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
STEPS = 10
SLOW, QUICK = f"pgd{STEPS}", "jiio"
ATTACKS = ("pgd20", "pgd100", "unrolled", "intermediate")


@dataclass
class Timed:
    """A context that keeps the seconds of each epoch but the last, by the clock and of the processor."""

    device: str = "cpu"
    cache: Path | None = None
    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - nothing is saved
        assert report.usage is not None
        assert report.usage.device_use is not None
        self.clock.append(report.seconds)
        self.processor.append(report.usage.device_use * report.seconds * torch.get_num_threads())

    def restore(self) -> Path | None:
        return None


def recipes(epochs: int, radius: float) -> Mapping[str, Recipe]:
    """Return what is compared, by its name."""
    return {
        "dense": (Train(epochs),),
        QUICK: Equilibrium(radius=radius).recipe(epochs),
        SLOW: Equilibrium(attack="pgd", radius=radius, steps=STEPS).recipe(epochs),
    }


loaded = cache(data.load)


def trained(recipe: Recipe, options: argparse.Namespace, seed: int) -> tuple[LiveTrial, Row]:
    """Return a trial after its training, and the median of the seconds of its epochs."""
    context = Timed()
    spec = TrialSpec(
        data=DataSpec(name=options.data, root=options.root, subset=options.train),
        model=ModelSpec(name="deq", options=NETWORK),
        training=TrainingSpec(lr=0.3, batch_size=64, augment=False),
        paradigm="equilibrium",
        epochs=options.epochs,
        seed=seed,
    )
    trial = LiveTrial(spec, loaded(spec.data), context)
    run_recipe(recipe, trial)
    with suppress(NotSettled):  # the residual is in the row
        measure_settling(trial)
    return trial, {"seconds": statistics.median(context.clock), "processor": statistics.median(context.processor)}


def measured(trial: LiveTrial, options: argparse.Namespace) -> Row:
    """Return the accuracies on test images, clean on all of them, and the residual on validation images."""
    model = trial.model.eval()
    clean = Bench(trial.dataset, None).measure(Clean(), model)["accuracy@clean"]
    attacked = Bench(trial.dataset, None, images=options.images).measure(Attack(options.radius), model)
    accuracies = {name: attacked[f"accuracy@{name}_{options.radius:g}"] for name in ATTACKS}
    return {"clean": clean, **accuracies, "worst": min(accuracies.values()), "residual": trial.measured["residual"]}


def row(options: argparse.Namespace, seed: int, name: str) -> Row:
    """Train and attack the network of one row."""
    trial, seconds = trained(recipes(options.epochs, options.radius)[name], options, seed)
    measures = {**seconds, **measured(trial, options)}
    print(*(f"{key} {value:.3g}" for key, value in measures.items()), flush=True)
    return {**asked(options), "seed": seed, "row": name, **measures}


def asked(options: argparse.Namespace) -> Row:
    """Return what the rows of a comparison have in common."""
    return {name: getattr(options, name) for name in ("data", "epochs", "train", "images", "radius")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--root", default="../shared/data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train", type=int, default=800)
    parser.add_argument("--images", type=int, default=360)
    parser.add_argument("--radius", type=float, default=0.05)
    results = Path(tempfile.gettempdir()) / "espalier-benchmarks" / "equilibrium.jsonl"
    parser.add_argument("--results", type=Path, default=results, help=f"file that keeps the results ({results})")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    common = tuple(asked(options).values())
    wanted = [(*common, seed, name) for seed, name in product(options.seeds, recipes(options.epochs, options.radius))]
    done = rows_in(
        options.results,
        wanted,
        lambda each: (*(each[name] for name in asked(options)), each["seed"], each["row"]),
        lambda key, _: row(options, key[-2], key[-1]),
    )
    compare([each for each in done if asked(argparse.Namespace(**each)) == asked(options)])


def compare(done: list[Row]) -> None:
    """Print the means of the seeds, and how many times the seconds of JIIO those of PGD are."""
    rows: dict[str, list[Row]] = {}
    for each in sorted(done, key=lambda each: int(each["seed"])):
        rows.setdefault(each["row"], []).append(each)
    keys = ("seconds", "processor", "clean", *ATTACKS, "worst", "residual")
    for name, of_seeds in rows.items():
        print(name, *(spread(key, [each[key] for each in of_seeds]) for key in keys))
    for kind in ("seconds", "processor"):
        ratios = [slow[kind] / quick[kind] for slow, quick in zip(rows[SLOW], rows[QUICK], strict=True)]
        print(f"{kind}: an epoch of {SLOW} takes", *(f"{ratio:.2f}" for ratio in ratios), f"times as long as {QUICK}'s")


def spread(key: str, values: list[float]) -> str:
    """Return the mean of seeds, and from where to where they lie."""
    return f"{key} {statistics.mean(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()

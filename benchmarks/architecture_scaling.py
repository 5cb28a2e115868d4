"""Whether learning rates follow the architecture as arXiv 2402.17440 says: factors, slope against depth, layers pruned.

    python -m benchmarks.architecture_scaling factors
    python -m benchmarks.architecture_scaling slope [--seeds 0 1 2] [--network mlp] [--data digits] [--readout own]
    python -m benchmarks.architecture_scaling layers [--residual resnet20] [--epochs 9] [--subset 1000] [--seeds 0 1 2]

`factors` prints what the learning rate of networks is multiplied by, with both ways of counting paths.

`slope` trains chains of layers of several depths for an epoch, with first weights by in-degree and plain SGD, at a grid
of rates that is the same for all: perceptrons or convolutions (`--network`), on digits or on `--subset` images of
CIFAR-10 that are averaged to `--image-size` pixels (`--data`). A depth's best rate is where the validation loss is
lowest, the mean over the seeds: where the parabola of least squares through the losses around the lowest has its least
value, by logarithms. The line through the best rates against the hidden layers, both logarithmic, is wanted to have a
slope of -1.5. With `--readout own` the readout has the rate that the derivation gives it, that of the other layers
divided by its inputs; with `--readout same` that of the others. All losses go to `architecture_scaling.csv` in the
folder `--to`, the picture beside it. Trials that ran already are not run again.

`layers` trains ResNet-20, or `--residual resnet56`, on few images of CIFAR-10, averaged to 16x16, drops half of its
residual blocks and finetunes it: at five multiples of the dense network's rate, and at the two rates that
`lr_after_pruning: scaled` gives.
"""

import argparse
import copy
import csv
import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, get_args

import numpy as np

from benchmarks.trials import Alone, new_parser, parse, percent, run_all
from orchestrator.report import paper
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Line, Points
from trainables import data, models
from trainables.errors import TrainingDiverged
from trainables.methods.scaled_rate import METRIC
from trainables.recipes.recipe import Prune, Recipe, Remove, Train
from trainables.runner import evaluate_on, run_recipe
from trainables.spec import DataSpec, ModelSpec, PathWeights, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.tracing import layer_graph
from trainables.training.architecture_scaling import relative_rate

DEPTHS: Final = (3, 4, 6, 8, 12)
RATES: Final = {
    "own": tuple(2 ** (-power / 2) for power in range(-8, 14)),
    "same": tuple(2 ** (-power / 2) for power in range(-1, 14)),
}
"""The rates that are tried, by whether the readout has its own."""
AROUND: Final = 2
"""How many rates on either side of the one with the lowest loss tell where between them the best one lies."""
CHANCE: Final = math.log(10)
"""The loss of a network that has learnt nothing of ten classes: no training that failed counts as more."""
KINDS: Final = {"mlp": "linear", "cnn": "conv_3x3"}
"""The operation of a chain's edges, by the kind of network."""
MULTIPLES: Final = (0.1, 0.3, 1.0, 3.0, 10.0)
RATE: Final = 0.1
"""The learning rate of the dense residual network."""
RESIDUAL: Final = ("resnet20", "resnet56")
WANTED: Final = -1.5
READOUT: Final = 1
"""How many layers of a chain are not hidden: the derivation counts hidden ones."""
NETWORKS: Final = ("digits_cnn", "vgg16_bn", "resnet20", "resnet56", "mobilenet_v2", "vit", "torchvision/densenet121")


def factors() -> Iterator[str]:
    """Yield the table of what learning rates are multiplied by."""
    shape = (3, 32, 32)
    yield "| network | layers | paths | layers on a path, mean | kernel | `paths: sum` | `paths: average` |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name in NETWORKS:
        graph = layer_graph(models.build(name, classes=10, input_shape=shape), shape)
        every, average = graph.paths(), graph.paths("average")
        rates = f"{relative_rate(every):.2g} | {relative_rate(average):.2g}"
        counts = f"{len(graph.in_degrees)} | {every.count:.2g} | {every.mean_layers:.1f} | {every.kernel:.1f}"
        yield f"| {name} | {counts} | {rates} |"


def chain(depth: int, operation: str = "linear") -> str:
    """Return a graph that, with its stem and its readout, has so many layers in a row."""
    return "+".join(f"{operation}~{node}" for node in range(depth - 2))


def data_of(name: str, options: argparse.Namespace) -> DataSpec:
    """Return digits, or a part of CIFAR-10 with small images."""
    if name == "digits":
        return DataSpec(name="digits", validation=0.2)
    size = options.size if "size" in options else options.image_size
    return DataSpec(name="cifar10", root=options.root, validation=0.2, subset=options.subset, image_size=size)


def deep_trial(depth: int, rate: float, seed: int, options: argparse.Namespace) -> TrialSpec:
    """Return a training of a chain at a rate; its `lr` is what the scaling turns into that rate."""
    graph = chain(depth, KINDS[options.network])
    return TrialSpec(
        data=data_of(options.data, options),
        model=ModelSpec(name="dag", options={"graph": graph, "width": options.width}),
        training=TrainingSpec(
            lr=rate / (3 / depth) ** 1.5,
            readout_lr=1 / options.width if options.readout == "own" else 1.0,
            momentum=0.0,
            weight_decay=0.0,
            schedule="constant",
            batch_size=32,
            precision="float32",
            augment=False,
            scaling="architecture_aware",
        ),
        paradigm="dense",
        epochs=1,
        seed=seed,
    )


def loss_of(spec: TrialSpec, options: argparse.Namespace) -> float:
    """Return the validation loss; infinite if the training diverges."""
    try:
        return run_all([spec], options)[0]["loss"]
    except TrainingDiverged:
        return math.inf


def best_rates(losses: Mapping[tuple[int, float], Sequence[float]]) -> dict[int, float]:
    """Return for each depth the rate at which the mean loss is lowest."""
    means: dict[int, dict[float, float]] = defaultdict(dict)
    for (depth, rate), values in losses.items():
        means[depth][math.log(rate)] = math.log(statistics.mean(min(value, CHANCE) for value in values))
    return {depth: math.exp(lowest(sorted(pairs.items()))) for depth, pairs in means.items()}


def lowest(points: Sequence[tuple[float, float]]) -> float:
    """Return where the parabola of least squares through the points around the lowest one has its least value.

    It is the lowest point's place where the parabola opens downwards, and lies between the points in any case.
    """
    least = min(range(len(points)), key=lambda index: points[index][1])
    xs, ys = zip(*points[max(0, least - AROUND) : least + AROUND + 1], strict=True)
    square, slope, _ = np.polynomial.Polynomial.fit(xs, ys, 2).convert().coef[::-1]
    return min(max(-slope / (2 * square), xs[0]), xs[-1]) if square > 0 else points[least][0]


def slope_of(rates: Mapping[int, float], outside: int = 0) -> float:
    """Return the slope of the line of least squares through the logarithms of depths, less some layers, and rates."""
    depths, best = [math.log(depth - outside) for depth in rates], [math.log(rate) for rate in rates.values()]
    return statistics.linear_regression(depths, best).slope


def slope(options: argparse.Namespace) -> Iterator[str]:
    """Train at all depths and rates, write table and picture, and yield the best rates and their slope."""
    losses = {
        (depth, rate): [loss_of(deep_trial(depth, rate, seed, options), options) for seed in options.seeds]
        for depth in DEPTHS
        for rate in RATES[options.readout]
    }
    with (options.to / "architecture_scaling.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["layers", "learning_rate", *(f"loss_seed_{seed}" for seed in options.seeds)])
        writer.writerows(
            [depth, f"{rate:.5g}", *(f"{v:.5g}" for v in values)] for (depth, rate), values in losses.items()
        )
    best = best_rates(losses)
    picture(best, options.to, f"{options.data}, {options.network}")
    yield "| layers | hidden layers | best rate | predicted from three layers |"
    yield "| --- | --- | --- | --- |"
    for (depth, rate), predicted in zip(best.items(), law(best), strict=True):
        yield f"| {depth} | {depth - READOUT} | {rate:.3g} | {predicted:.3g} |"
    yield f"loss at the best rate of the grid: {', '.join(f'{depth}: {loss:.2f}' for depth, loss in reached(losses))}"
    singles = [
        best_rates({key: [values[index]] for key, values in losses.items()}) for index in range(len(options.seeds))
    ]
    for name, outside in (("layers", 0), ("hidden layers", READOUT)):
        seeds = ", ".join(f"{slope_of(of_seed, outside):.2f}" for of_seed in singles)
        yield f"slope against {name} {slope_of(best, outside):.2f}, of single seeds {seeds}"


def reached(losses: Mapping[tuple[int, float], Sequence[float]]) -> Iterator[tuple[int, float]]:
    """Yield the lowest mean loss of each depth."""
    for depth in DEPTHS:
        yield depth, min(statistics.mean(values) for (other, _), values in losses.items() if other == depth)


def law(best: Mapping[int, float]) -> tuple[float, ...]:
    """Return the rates that the best one of three layers predicts for all depths."""
    return tuple(best[3] * ((depth - READOUT) / (3 - READOUT)) ** WANTED for depth in best)


def picture(best: Mapping[int, float], into: Path, title: str) -> None:
    """Draw the best rate against the hidden layers, beside what three layers predict, into a folder."""
    depths, rates, predicted = tuple(float(depth - READOUT) for depth in best), tuple(best.values()), law(best)
    points = Points(xs=depths, ys=rates, trials=tuple(best), colors=("#0072b2",), name="best rate")
    line = Line(xs=depths, ys=predicted, is_dashed=True, name="L^-1.5 from three layers")
    x = Axis(
        label="hidden layers",
        ends=(min(depths) / 1.1, max(depths) * 1.1),
        ticks=tuple((depth, f"{depth:.0f}") for depth in depths),
        logarithmic=True,
    )
    shown = (*rates, *predicted)
    y = Axis(
        label="learning rate",
        ends=(min(shown) / 1.3, max(shown) * 1.3),
        ticks=tuple((tick, f"{tick:g}") for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)),
        logarithmic=True,
    )
    chart = Chart(x=x, y=y, layers=(line, points), title=title)
    caption = "Best learning rate against depth"
    paper.write([Figure(name="architecture_scaling", caption=caption, charts=(chart,))], into)


def layers(options: argparse.Namespace) -> Iterator[str]:
    """Finetune what is left of ResNet-20 at several rates, and yield a table of them."""
    rows: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for seed in options.seeds:
        trained = half_dropped(seed, options)
        for multiple in MULTIPLES:
            rows[f"{multiple:g} times"].append(finetuned(trained, options, lr_scale=multiple))
        for paths in get_args(PathWeights):
            rows[f"scaled, paths: {paths}"].append(finetuned(trained, options, paths=paths))
    yield "| rate | in the mean | validation | test |"
    yield "| --- | --- | --- | --- |"
    for name, measured in rows.items():
        rates, validation, test = zip(*measured, strict=True)
        yield f"| {name} | {statistics.mean(rates):.3g} | {shown(validation)} | {shown(test)} |"


def shown(accuracies: Sequence[float]) -> str:
    """Return accuracies in percent, or in how many trainings there is none because they diverged."""
    lost = sum(map(math.isnan, accuracies))
    return f"diverges in {lost} of {len(accuracies)}" if lost else percent(accuracies)


def half_dropped(seed: int, options: argparse.Namespace) -> LiveTrial:
    """Return a trained residual network of which half of the residual blocks will be removed."""
    spec = TrialSpec(
        data=DataSpec(
            name="cifar10", root=options.root, validation=0.02, subset=options.subset, image_size=options.image_size
        ),
        model=ModelSpec(name=options.residual, options={"width": 0.5}),
        training=TrainingSpec(lr=RATE, batch_size=64),
        paradigm="dense",
        epochs=options.epochs,
        seed=seed,
    )
    trial = LiveTrial(spec, data.load(spec.data), Alone(options.device, options.results.parent))
    run_recipe((Train(options.epochs), Prune(0.5, granularity="layer"), Remove()), trial)
    return trial


def finetuned(
    trained: LiveTrial, options: argparse.Namespace, lr_scale: float = 1.0, paths: PathWeights | None = None
) -> tuple[float, float, float]:
    """Return rate, validation and test accuracy of a copy that is finetuned; `paths`: at the rate scaled by them.

    Accuracies are not numbers if the training diverges.
    """
    trial = copy.deepcopy(trained)
    if paths is not None:
        training = replace(trial.spec.training, lr_after_pruning="scaled", paths=paths)
        trial.spec = replace(trial.spec, training=training)
    recipe: Recipe = (Train(max(1, options.epochs // 3), lr_scale=lr_scale),)
    trial.position.stage = 0
    validation = test = math.nan
    with suppress(TrainingDiverged):
        run_recipe(recipe, trial)
        validation, test = (evaluate_on(trial, split).accuracy for split in ("validation", "test"))
    rate = RATE * lr_scale * trial.measured.get(METRIC, 1.0)
    told = "diverges" if math.isnan(test) else f"validation {validation:.2%}, test {test:.2%}"
    print(f"seed {trial.spec.seed}, rate {rate:.3g}: {told}", flush=True)
    return rate, validation, test


def main() -> None:
    parser = new_parser(__doc__, "architecture_scaling", epochs=9, subset=1000)
    parser.set_defaults(device="cpu")
    parser.add_argument("part", choices=["factors", "slope", "layers"])
    parser.add_argument("--network", choices=[*KINDS], default="mlp", help="the layers of `slope` (mlp)")
    parser.add_argument("--data", choices=("digits", "cifar10"), default="digits", help="the data of `slope` (digits)")
    parser.add_argument("--width", type=int, default=256, help="units or channels of each layer of `slope` (256)")
    parser.add_argument("--residual", choices=RESIDUAL, default=RESIDUAL[0], help="the network of `layers` (resnet20)")
    parser.add_argument(
        "--readout", choices=[*RATES], default="own", help="whose rate the readout has in `slope` (own)"
    )
    parser.add_argument("--image-size", type=int, default=16, help="side in pixels that images are averaged to (16)")
    parser.add_argument("--to", type=Path, default=Path(), help="folder of the table and the picture (this one)")
    options = parse(parser)
    options.to.mkdir(parents=True, exist_ok=True)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    match options.part:
        case "factors":
            lines = factors()
        case "slope":
            lines = slope(options)
        case _:
            lines = layers(options)
    print(*lines, sep="\n")


if __name__ == "__main__":
    main()

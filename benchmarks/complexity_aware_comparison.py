"""Complexity-aware training against what it must beat at the same MACs and epochs, on real CIFAR-10.

    python -m benchmarks.complexity_aware_comparison --out rows.jsonl [--root ../shared/data] [--setting d]

Every row trains ResNet-20 for the same epochs, on training images pooled to 16x16, with 5,000 images held out for
validation; setting s is 5,000 images and 10 epochs, d 10,000 and 15 (`--images`, `--epochs`, `--size` change them):

- dense: unpruned
- uniform: all layers, the residual stream too, narrowed by one factor, and trained from scratch
- l1: trained dense for half the epochs, then the filters of smallest L1 norm of each layer removed, then trained on
- l1 rewound: the same, with a whole learning-rate schedule in each half
- random fade: the faded path with random units in equal shares of every layer, no layers, and nothing measured
- found: the architecture that complexity-aware training found with the same seed, trained from scratch
- complexity_aware (the sampled path), fade and their variants: see VARIANTS

A row is done once: rows that the file holds already are skipped, so that an interrupted run continues.
"""

import argparse
import copy
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.trials import Row, rows_in
from trainables import data
from trainables.context import Report, SaveCheckpoint
from trainables.gates.audit import Loss, Queue
from trainables.gates.fading import FadingPath
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.gated_training import GatedTraining
from trainables.methods.attach import attach
from trainables.recipes.gating import Gating, Refining
from trainables.recipes.recipe import During, Recipe, Train
from trainables.runner import evaluate_on, run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import measure
from trainables.structure.removal import RemovalPlan, plan_removal, remove
from trainables.training.companion import Companion, Companions

MODEL = "resnet20"
BUDGETS = (0.5, 0.35)
SEEDS = (0, 1, 2)
WINDOW = 0.4
BASELINES = ("uniform", "l1", "l1 rewound")
SETTINGS = {"s": {"images": 5_000, "epochs": 10}, "d": {"images": 10_000, "epochs": 15}}
FADED = {"path": "fade", "window": 0.7}
ONE_MASK = {"shared": True, "decay": 0.9975}
EARLIER = {"initial": 0.9, "highest": 0.98}
"""The probabilities from which most variants were compared, before 0.98 was found better on validation."""
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "complexity_aware": {"beta": 0.25},
    "theta from 0.9": EARLIER,
    "unit_only": {"branches": False},
    "full sampling": {**EARLIER, "sampling": 1.0},
    "sampled in every step": {**EARLIER, "every": 1},
    "one mask a batch": {"beta": 0.25, "shared": True},
    "one mask, units": {**ONE_MASK, "branches": False},
    "one mask, beta 0": {**ONE_MASK, "beta": 0.0},
    "one mask, streams": {**ONE_MASK, "placement": "streams"},
    "one mask, streams, units": {**ONE_MASK, "placement": "streams", "branches": False},
    "shared masks": {**EARLIER, "shared": True, "decay": 0.995},
    "alpha 0.5": {"alpha": 0.5},
    "alpha 0.25": {"alpha": 0.25},
    "beta 0.5": {"beta": 0.5},
    "unsettled": {**EARLIER, "settle": 0.0},
    "nu 0.6": {**EARLIER, "nu": 0.6},
    "nu 0.6, no ramp": {**EARLIER, "nu": 0.6, "ramp": 0.0},
    "window 0.25": {**EARLIER, "window": 0.25},
    "window 0.25, restart": {**EARLIER, "window": 0.25, "restart": 1.0},
    "window 0.6": {"window": 0.6},
    "restart": {**EARLIER, "restart": 0.5},
    "distilled": {**EARLIER, "distilled": 1.0},
    "window 0.7": {"window": 0.7},
    "rate again": {"restart": 0.5},
    "pretrained": {"pretrained": 1.0},
    "in-place distillation": {"distill": 1.0},
    "average": {"refining": Refining(average=0.99)},
    "recalibrated": {"refining": Refining(recalibrate=True)},
    "fade": FADED,
    "fade without layers": {**FADED, "branches": False},
    "fade, streams, units": {**FADED, "branches": False, "placement": "streams"},
    "fade, streams": {**FADED, "placement": "streams"},
    "fade, units, window 0.5": {**FADED, "branches": False, "window": 0.5},
    "fade, floor": {**FADED, "branches": False, "floor": 0.75},
    "fade, streams, floor": {**FADED, "branches": False, "placement": "streams", "floor": 0.75},
    "fade, restart": {**FADED, "restart": 0.5},
    "fade, window 0.4": {**FADED, "window": 0.4},
    "fade, round to 8": {**FADED, "round_to": 8},
    "random fade": {**FADED, "branches": False, "random": 1.0},
    "random fade, streams": {**FADED, "branches": False, "random": 1.0, "placement": "streams"},
}
"""What each variant changes: fields of `Gating`, but for `window` (a share), `restart`, `distilled`, `random`, `floor`
(see `FlooredFade`), and `pretrained`, which trains the dense network for all epochs first: twice the epochs of a row.

With a `nu` no budget is aimed at, so that the MACs are what the price leaves; only a price is ramped up.
"""


class Quiet:
    """A context that prints a line per epoch and keeps nothing."""

    device = "cpu"
    cache = None

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - nothing is saved
        macs, params = report.macs_projected, report.params_projected
        print(f"  {report.epoch:3d} {report.accuracy:.4f} {report.loss:.3f} {macs:.3g} {params:.3g}", flush=True)

    def restore(self) -> None:
        return None


_dataset = cache(data.load)


def new_trial(options: argparse.Namespace, seed: int) -> LiveTrial:
    spec = TrialSpec(
        data=DataSpec(name="cifar10", root=options.root, subset=options.images, image_size=options.size),
        model=ModelSpec(name=MODEL),
        training=TrainingSpec(batch_size=options.batch),
        paradigm="dense",
        epochs=options.epochs,
        seed=seed,
    )
    return LiveTrial(spec, _dataset(spec.data), Quiet())


def draw_afresh(model: nn.Module) -> None:
    """Give a network of changed shape the initial weights that it would have had (arXiv 1502.01852)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)


def first_channels(groups: tuple[ChannelGroup, ...], sizes: Mapping[str, int]) -> dict[str, torch.Tensor]:
    return {group.name: torch.arange(group.size) < sizes[group.name] for group in groups if group.name in sizes}


def narrow(trial: LiveTrial, factor: float) -> RemovalPlan:
    sizes = {group.name: max(1, round(factor * group.size)) for group in trial.groups}
    return plan_removal(trial.groups, first_channels(trial.groups, sizes))


def weakest_filters(trial: LiveTrial, density: float) -> RemovalPlan:
    filters = {
        name: module.weight.detach().abs().sum((1, 2, 3))
        for name, module in trial.model.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    keep = {}
    for group in trial.groups:
        best = group.score(filters).argsort(descending=True)[: max(1, round(density * group.size))]
        keep[group.name] = torch.zeros(group.size, dtype=torch.bool).index_fill(0, best, True)
    return plan_removal(trial.groups, keep)


def to_budget(trial: LiveTrial, plan: Callable[[float], RemovalPlan], budget: float) -> RemovalPlan:
    """Return the plan whose remaining MACs are nearest the budget, over a hundred densities."""
    dense = trial.cost().macs
    densities = [step / 100 for step in range(int(100 * budget), int(100 * math.sqrt(budget)) + 8)]

    def distance(density: float) -> float:
        twin = trial.build()
        remove(twin, plan(density))
        return abs(measure(twin, trial.dataset.input_shape).macs / dense - budget)

    with torch.random.fork_rng():
        return plan(min(densities, key=distance))


@dataclass(frozen=True)
class L1AfterEpochs:
    """Removes the weakest filters of every layer after so many epochs."""

    budget: float
    epochs: int

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - as `Attaches` calls it
        return _L1AfterEpochs(self.budget, trial, self.epochs)


class _L1AfterEpochs(Companion):
    def __init__(self, budget: float, trial: LiveTrial, epochs: int) -> None:
        self._budget, self._trial, self._left = budget, trial, epochs

    def after_epoch(self) -> None:
        self._left -= 1
        if self._left == 0:
            plan = to_budget(self._trial, lambda density: weakest_filters(self._trial, density), self._budget)
            remove(self._trial.model, plan, self._trial.optimizer)
            self._trial.replace_model(self._trial.model)


@dataclass(frozen=True)
class Distilled:
    """Adds `weight` times the divergence from the running average of the network's own weights to the loss."""

    during: During
    weight: float

    def attach(self, trial: LiveTrial, steps: int) -> Companion:
        return Companions(attach(self.during, trial, steps), _Teacher(trial, self.weight))


class _Teacher(Companion):
    """The running average of the weights; it starts again when the network changes its shape (arXiv 1703.01780)."""

    DECAY = 0.98

    def __init__(self, trial: LiveTrial, weight: float) -> None:
        self._trial, self._weight = trial, weight
        self._sizes: list[torch.Size] = []
        self._heard = False
        self.after_epoch()

    def after_epoch(self) -> None:
        student = self._trial.model
        sizes = [parameter.shape for parameter in student.parameters()]
        if self._sizes != sizes:
            self._sizes, self._teacher = sizes, copy.deepcopy(student).eval()
        if not self._heard:
            student.register_forward_hook(lambda model, _, logits: self._listen(model, logits))
            self._heard = True

    def _listen(self, model: nn.Module, logits: torch.Tensor) -> None:
        if model.training and torch.is_grad_enabled():
            self._logits = logits.float()

    def before_forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> None:  # noqa: ARG002 - `Companion` has them
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            self._wanted = self._teacher(inputs).float().softmax(1)

    def penalty(self) -> torch.Tensor:
        return self._weight * F.kl_div(self._logits.log_softmax(1), self._wanted, reduction="batchmean")

    @torch.no_grad()
    def after_step(self) -> None:
        for mean, now in zip(self._teacher.state_dict().values(), self._trial.model.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - self.DECAY)


@dataclass(frozen=True)
class RandomFade:
    """The faded path of `gating`, on which random units go, the same share of every layer's."""

    gating: Gating

    def attach(self, trial: LiveTrial, steps: int) -> Companion:
        return GatedTraining(self.gating, trial, steps, _RandomPath)


class _RandomPath(FadingPath):
    def merit(self, loss: Loss) -> torch.Tensor:  # noqa: ARG002 - nothing is measured
        generator = torch.Generator().manual_seed(self.network.trial.spec.seed + self.network.structures.units)
        sizes = [group.size for group in self.network.structures.groups]
        shares = [torch.randperm(size, generator=generator).double() / size for size in sizes]
        return torch.cat([*shares, torch.full((self.network.sizes[1],), torch.inf, dtype=torch.float64)])

    def exchanged(self, queue: Queue, count: int, loss: Loss) -> tuple[Queue, float]:  # noqa: ARG002 - random, whatever the loss
        return queue, 0.0


@dataclass(frozen=True)
class FlooredFade:
    """The faded path of `gating`, on which every layer keeps its best `floor` times the square root of the budget."""

    gating: Gating
    floor: float

    def attach(self, trial: LiveTrial, steps: int) -> Companion:
        share = self.floor * math.sqrt(self.gating.target_macs)
        least = {group.name: math.ceil(share * group.size) for group in trial.groups}
        return GatedTraining(self.gating, trial, steps, lambda network, end: _FlooredPath(network, end, least))


class _FlooredPath(FadingPath):
    def __init__(self, network: GatedNetwork, end: int, least: Mapping[str, int]) -> None:
        super().__init__(network, end)
        self._least = least

    def merit(self, loss: Loss) -> torch.Tensor:
        merit, structures = super().merit(loss), self.network.structures
        for group, part in zip(structures.groups, structures.slices(), strict=True):
            best = merit[part].argsort(descending=True)[: self._least[group.name]]
            merit[part.start + best] = torch.inf
        return merit


def architecture(trial: LiveTrial) -> Row:
    """Describe what is left: the size of every group, the blocks that are gone."""
    return {"sizes": {group.name: group.size for group in trial.groups}, "dropped": list(trial.dropped)}


def shrink(trial: LiveTrial, plan: RemovalPlan, dropped: tuple[str, ...] = ()) -> None:
    """Give the trial a smaller network with weights of its own."""
    remove(trial.model, replace(plan, dropped_blocks=dropped))
    draw_afresh(trial.model)
    trial.dropped = dropped
    trial.replace_model(trial.model)


def prepare(trial: LiveTrial, method: str, budget: float, rows: list[Row], options: argparse.Namespace) -> Recipe:
    """Return the recipe of a method; the trial's network is changed first where the method trains another one."""
    epochs = options.epochs
    if method == "uniform":
        shrink(trial, to_budget(trial, lambda factor: narrow(trial, factor), budget))
    elif method == "l1":
        return (Train(epochs, during=L1AfterEpochs(budget, epochs // 2)),)
    elif method == "l1 rewound":
        half = epochs // 2
        return Train(half, during=L1AfterEpochs(budget, half)), Train(epochs - half)
    elif method.startswith("found"):
        variant = method.partition(":")[2] or "complexity_aware"
        found = next(row for row in rows if key(row) == (variant, budget, trial.spec.seed))
        kept = first_channels(trial.groups, found["sizes"])
        shrink(trial, plan_removal(trial.groups, kept), tuple(found["dropped"]))
    elif method != "dense":
        return gated(epochs, budget, {**VARIANTS["complexity_aware"], **VARIANTS[method]})
    return (Train(epochs),)


def gated(epochs: int, budget: float, settings: dict[str, Any]) -> Recipe:
    window = max(1, round(settings.pop("window", WINDOW) * epochs))
    names = ("restart", "distilled", "random", "pretrained", "floor")
    restart, distilled, random, pretrained, floor = (settings.pop(name, 0.0) for name in names)
    gating = Gating(epochs=window, target_macs=budget, **settings)
    during: During = RandomFade(gating) if random else FlooredFade(gating, floor) if floor else gating
    if distilled:
        during = Distilled(during, distilled)
    if restart:
        return Train(window, during=during), Train(epochs - window, lr_scale=restart)
    first = (Train(epochs),) if pretrained else ()
    return (*first, Train(epochs, during=during))


def measure_row(method: str, budget: float, seed: int, rows: list[Row], options: argparse.Namespace) -> Row:
    trial = new_trial(options, seed)
    dense = trial.cost()
    recipe = prepare(trial, method, budget, rows, options)
    begin = time.process_time()
    run_recipe(recipe, trial)
    seconds = time.process_time() - begin
    left = trial.cost()
    return {
        "method": method,
        "budget": budget,
        "seed": seed,
        "macs": left.macs / dense.macs,
        "params": left.params / dense.params,
        "validation": evaluate_on(trial, "validation").accuracy,
        "test": evaluate_on(trial, "test").accuracy,
        "cpu_seconds": seconds,
        "worth_kept_below_price": trial.measured.get("worth_kept_below_price"),
        **architecture(trial),
    }


def key(row: Row) -> tuple[str, float, int]:
    return row["method"], row["budget"], row["seed"]


def wanted(methods: list[str], budgets: list[float], seeds: list[int]) -> Iterator[tuple[str, float, int]]:
    for seed in seeds:
        for method in methods:
            for budget in own_budgets(method, budgets):
                yield method, budget, seed


def own_budgets(method: str, budgets: list[float]) -> list[float]:
    if method == "dense":
        return [1.0]
    return [0.0] if "nu" in VARIANTS.get(method, {}) else budgets


def run(options: argparse.Namespace) -> list[Row]:
    keys = wanted(options.methods, options.budgets, options.seeds)
    return rows_in(Path(options.out), keys, key, lambda one, rows: measure_row(*one, rows, options))


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the rows of a Markdown table: means over seeds, standard deviations beside the accuracies."""
    yield "| method | MACs | params | validation | test | CPU seconds | seeds |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for method, budget in sorted({key(row)[:2] for row in rows}, key=lambda pair: (-pair[1], pair[0])):
        own = [row for row in rows if key(row)[:2] == (method, budget)]
        mean = {name: statistics.mean(row[name] for row in own) for name in ("macs", "params", "cpu_seconds")}
        scores = " | ".join(_spread([100 * row[name] for row in own]) for name in ("validation", "test"))
        cells = f"{mean['macs']:.3f} | {mean['params']:.3f} | {scores} | {mean['cpu_seconds']:.0f} | {len(own)}"
        yield f"| {method} | {cells} |"


def _spread(values: list[float]) -> str:
    deviation = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{deviation}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="../shared/data", help="folder that holds cifar-10-batches-py")
    parser.add_argument("--out", required=True, help="JSON lines, one per row; read first, then added to")
    parser.add_argument("--setting", choices=SETTINGS, default="d", help="s: shorter; d: the one of the docs")
    parser.add_argument("--size", type=int, default=16, help="side of the pooled images")
    parser.add_argument("--images", type=int, help="training images, instead of the setting's")
    parser.add_argument("--epochs", type=int, help="epochs, instead of the setting's")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS, help="shares of the dense MACs")
    parser.add_argument("--methods", nargs="+", default=["dense", "complexity_aware", *BASELINES, "found"])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for name, value in SETTINGS[options.setting].items():
        setattr(options, name, getattr(options, name) or value)
    return options


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    print("\n".join(table(run(options))))


if __name__ == "__main__":
    main()

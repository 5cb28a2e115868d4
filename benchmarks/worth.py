"""Estimates of what deleting a unit costs, against exact deletions.

    python -m benchmarks.worth --out worth.jsonl [--networks digits_cnn resnet20] [--data digits] [--rows 4000]

Every network trains densely; after a fifth, half and all of its epochs the weights are held and every estimate is made
of units drawn at random. Exact is the mean loss without the unit minus that with it, each batch by its own statistics,
which is what training meets after a deletion. Rows are split into two halves: estimates are made on the first half and
judged on the second, as is a second exact measurement, the line that no estimate can be expected to pass: how well two
exact ones agree. `rank` is Spearman's correlation, `sign` the share of units whose sign is right, `size` the mean
absolute estimate over the mean absolute exact difference.

A network at a moment is measured once: what the file holds already is skipped.
"""

import argparse
import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import data
from trainables.context import Report, SaveCheckpoint
from trainables.data.batches import ordered
from trainables.gates.audit import Batch, Queue, exact_losses, findings
from trainables.gates.deletion_worth import KAPPA, DeletionWorth
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.pairs import filled
from trainables.gates.worth import Worth
from trainables.modes import modes_kept, statistics_kept
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.training.companion import Companion
from trainables.training.logits import logits_of

NETWORKS = ("digits_cnn", "resnet20", "vgg16_bn", "vit")
MOMENTS = {"early": 0.2, "middle": 0.5, "late": 1.0}
"""The share of the epochs after which weights are held."""

BATCH = 64

CHUNKS = 8
"""How many chunks are measured to fit factors of curvature."""

SAMPLED: Mapping[str, Mapping[str, Any]] = {
    "sampled, the defaults": {},
    "sampled, 400 batches": {"decay": 0.9975},
    "one mask a batch": {"shared": True, "sampling": 1.0},
    "one mask a batch, 400": {"shared": True, "sampling": 1.0, "decay": 0.9975},
    "one mask a batch, from 0.9": {"shared": True, "sampling": 1.0, "initial": 0.9},
    "one mask a batch, from 0.9, 400": {"shared": True, "sampling": 1.0, "initial": 0.9, "decay": 0.9975},
}
"""Estimates of the sampled path. They see as many batches as their memory is long: 100 unless `decay` is another."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Probe:
    """Measures a network in the middle of its training, at the epochs in `at`, into `rows`."""

    at: Mapping[int, str]
    options: argparse.Namespace
    rows: list[Row] = field(default_factory=list)

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - as `Attaches` calls it
        return _Prober(self, trial)


class _Prober(Companion):
    def __init__(self, probe: Probe, trial: LiveTrial) -> None:
        self._probe, self._trial, self._epoch = probe, trial, 0

    def after_epoch(self) -> None:
        self._epoch += 1
        if moment := self._probe.at.get(self._epoch):
            self._probe.rows.extend(measure(self._trial, moment, self._probe.options))


def measure(trial: LiveTrial, moment: str, options: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for every estimate of the trial's network as it is now."""
    network = GatedNetwork(Gating(epochs=1), trial)
    generator = torch.Generator().manual_seed(options.seed)
    units = torch.randperm(network.sizes[0], generator=generator)[: options.units].sort().values
    first, second = halves(trial, options.rows)
    exact = deletions(network, units, second)
    rows = sum(len(labels) for _, labels in second)
    estimates = {"exact, other rows": deletions(network, units, first), **estimated(network, units, first)}
    network.close()
    for name, estimate in estimates.items():
        yield {
            "network": trial.spec.model.name,
            "moment": moment,
            "estimate": name,
            "rows": rows,
            "units": len(units),
            "rank": spearman(estimate, exact),
            "sign": float((estimate.sign() == exact.sign()).double().mean()),
            "size": float(estimate.abs().mean() / exact.abs().mean()),
        }


def halves(trial: LiveTrial, rows: int) -> tuple[list[Batch], list[Batch]]:
    """Return two halves of the first training images, in batches, not augmented."""
    dataset = trial.dataset
    batches = list(ordered(dataset.train, dataset.mean, dataset.std, batch_size=BATCH, channels_last=False))
    count = min(len(batches), max(2, rows // BATCH)) // 2
    return batches[:count], batches[count : 2 * count]


def deletions(network: GatedNetwork, units: Tensor, batches: list[Batch]) -> Tensor:
    """Return what the loss rises by without each of the units, in nats."""
    whole = network.everything()
    rises = []
    with exact_losses(network, batches) as loss:
        before = loss(whole)
        for unit in units.tolist():
            kept = whole[0].clone()
            kept[unit] = False
            rises.append(loss((kept, whole[1])) - before)
    return torch.tensor(rises, dtype=torch.float64)


def estimated(network: GatedNetwork, units: Tensor, batches: list[Batch]) -> dict[str, Tensor]:
    """Return the estimates that backward passes over `batches` give."""
    worth = DeletionWorth(network.sizes[0])
    for images, labels in batches:
        worth.prepare(filled(network.sizes, 1.0, 1.0), images)
        worth.hold(network.gates)
        backward(network.trial, images, labels)
        worth.sum_up(network.gates)
        worth.count()
    first, curvature = worth.slope, worth.curvature
    factors = fitted(network, worth, batches)[network.expected.group]
    made = {
        "first order": first,
        "Fisher": curvature,
        "both: the faded path's": worth.rise,
        "both, factors fitted": first + factors * curvature,
        **{name: sampled(network, batches, settings) for name, settings in SAMPLED.items()},
    }
    return {name: estimate[units] for name, estimate in made.items()}


def backward(trial: LiveTrial, images: Tensor, labels: Tensor) -> None:
    """Run a training step's forward and backward pass; no weight and no statistic moves."""
    with modes_kept(trial.model), statistics_kept(trial.model):
        trial.model.train()
        F.cross_entropy(logits_of(trial.model, images, trial.precision), labels).backward()
    trial.model.zero_grad()


def fitted(network: GatedNetwork, worth: DeletionWorth, batches: list[Batch]) -> Tensor:
    """Return a factor of curvature for each layer [G], by least squares on chunks that are measured together.

    The chunks are the first that the faded path would take; its own factor counts as much as one of them.
    """
    slopes = network.slopes(filled(network.sizes, 1.0, 1.0))[0]
    merit = torch.cat([worth.rise / slopes.clamp(min=1e-12), torch.full((network.sizes[1],), torch.inf)])
    queue, group, count = Queue.by(network, merit), network.expected.group, len(network.structures.groups)
    rows, excess = [], []
    with exact_losses(network, batches) as loss:
        for (_, finding), _ in zip(findings(queue, loss, network.taxed), range(CHUNKS), strict=False):
            gone = finding.before[0] & ~finding.after[0]
            curvature = torch.zeros(count, dtype=torch.float64)
            rows.append(curvature.index_add_(0, group[gone], worth.curvature[gone]))
            excess.append(finding.rise - float(worth.slope[gone].sum()))
    seen, rises = torch.stack(rows), torch.tensor(excess, dtype=torch.float64)
    doubt = float(seen.square().mean())
    squares = seen.T @ seen + doubt * torch.eye(count, dtype=torch.float64)
    factors: Tensor = torch.linalg.solve(squares, seen.T @ rises + doubt * KAPPA)
    return factors.clamp(min=0.0)


def sampled(network: GatedNetwork, batches: list[Batch], settings: Mapping[str, Any]) -> Tensor:
    """Return the estimate of the sampled path after as many steps as it remembers, in which no weight moves."""
    gating = Gating(epochs=1, branches=False, **settings)
    theta = filled(network.sizes, gating.initial, 1.0)
    rounded = theta[0] > 0.5, theta[1] > 0.5
    worth = Worth(gating, network.sizes, torch.Generator().manual_seed(0))
    for step in range(round(1 / (1 - gating.decay))):
        images, labels = batches[step % len(batches)]
        worth.sample(theta, rounded, images)
        worth.measure(network.trial, network.gates, images, labels)
        backward(network.trial, images, labels)
        worth.sum_up(network.gates)
        measured = worth.measured()
        assert measured is not None
        worth.learn(measured)
    return -worth.difference()[0]


def spearman(one: Tensor, other: Tensor) -> float:
    """Return the correlation of the ranks of two vectors."""
    ranks = torch.stack([values.argsort(stable=True).argsort(stable=True).double() for values in (one, other)])
    return float(torch.corrcoef(ranks)[0, 1])


class Quiet:
    """A context that keeps nothing."""

    device = "cpu"
    cache = None

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        pass

    def restore(self) -> None:
        return None


_dataset = cache(data.load)


def new_trial(network: str, options: argparse.Namespace) -> LiveTrial:
    of_cifar10 = DataSpec(name="cifar10", root=options.root, subset=options.images, image_size=options.size)
    spec = TrialSpec(
        data=of_cifar10 if options.data == "cifar10" else DataSpec(name="digits"),
        model=ModelSpec(name=network),
        training=TrainingSpec(batch_size=BATCH, precision="float32"),
        paradigm="dense",
        epochs=options.epochs,
        seed=options.seed,
    )
    return LiveTrial(spec, _dataset(spec.data), Quiet())


def run(options: argparse.Namespace) -> list[Row]:
    path = Path(options.out)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    for network in options.networks:
        done = {row["moment"] for row in rows if row["network"] == network}
        at = {max(1, round(MOMENTS[name] * options.epochs)): name for name in options.moments if name not in done}
        if at:
            probe = Probe(at, options)
            run_recipe((Train(options.epochs, during=probe),), new_trial(network, options))
            rows += probe.rows
            with path.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in probe.rows)
    return rows


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the rows of a Markdown table, every moment's two exact measurements first."""
    yield "| network | moment | rows | estimate | rank | sign | size |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        figures = " | ".join(f"{row[name]:.2f}" for name in ("rank", "sign", "size"))
        yield f"| {row['network']} | {row['moment']} | {row['rows']} | {row['estimate']} | {figures} |"
    for name in dict.fromkeys(row["estimate"] for row in rows):
        mean = {key: statistics.mean(row[key] for row in rows if row["estimate"] == name) for key in ("rank", "sign")}
        yield f"| all | | | {name} | {mean['rank']:.2f} | {mean['sign']:.2f} | |"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="JSON lines, one per estimate; read first, then added to")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS[:2])
    parser.add_argument("--moments", nargs="+", choices=MOMENTS, default=list(MOMENTS))
    parser.add_argument("--data", choices=("digits", "cifar10"), default="digits")
    parser.add_argument("--root", default="../shared/data", help="folder that holds cifar-10-batches-py")
    parser.add_argument("--size", type=int, default=16, help="side of CIFAR-10's pooled images")
    parser.add_argument("--images", type=int, default=10_000, help="training images of CIFAR-10")
    parser.add_argument("--rows", type=int, default=4_000, help="images measured on, both halves together")
    parser.add_argument("--units", type=int, default=112, help="units drawn")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    torch.set_num_threads(1)
    print("\n".join(table(run(parse()))))


if __name__ == "__main__":
    main()

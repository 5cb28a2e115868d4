"""How well shared weights rank widths, and how well a graph network does that learns from them.

    python -m benchmarks.width_ranking [--data digits] [--networks 40] [--threads 1]
    python -m benchmarks.width_ranking --data cifar10 [--subset 3000] [--size 8] [--root ../shared/data]

A supernet for each seed measures networks that cost half of the MACs of a small CNN: `--networks` that are also trained
by themselves, and others from which the graph network learns: 100, or as many as are found among networks so small.
Kendall's tau is that with the mean accuracy, on validation and test images together, of the networks trained by
themselves, once for each seed. What of that accuracy is the networks' and not the seeds' is said too: tau between one
seed's accuracies and the others' mean, and the share of the mean's variance that is the networks' (intraclass
correlation), whose root is the most that any ranking can be expected to correlate.

On digits all train for 12 epochs; of CIFAR-10, `--subset` images that are averaged to `--size` pixels a side are
trained on for 6; `--epochs` overrides both. A run that is typed again continues.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from scipy.stats import kendalltau

from benchmarks.trials import Alone, Metrics, Row, new_parser, parse, rows_in, run_all
from trainables import data
from trainables.methods.graph_predictor import GraphPredictor
from trainables.methods.width_proposals import Proposals
from trainables.methods.width_search import WidthSearch
from trainables.recipes.recipe import Reinitialize, ScaleWidths, Train
from trainables.recipes.widths import ShareWeights
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial

WIDTHS = [16, 16, 32]
WIDEST = 1.5
RULE = ShareWeights(0, 1, macs=0.5, narrowest=0.25 / WIDEST)
LEARNT_FROM = 100
EPOCHS = {"digits": 12, "cifar10": 6}

Network = tuple[int, ...]


@dataclass
class Measuring:
    """Training with shared weights after which random networks are measured, instead of a search."""

    count: int
    scores: dict[Network, float] = field(default_factory=dict)
    companion: WidthSearch | None = None

    def attach(self, trial: LiveTrial, _steps: int) -> WidthSearch:
        self.companion = _Measures(self, trial)
        return self.companion

    @property
    def held_out(self) -> float:
        return RULE.held_out


class _Measures(WidthSearch):
    def __init__(self, measuring: Measuring, trial: LiveTrial) -> None:
        super().__init__(RULE, trial)
        self._measuring = measuring

    def finish(self) -> None:
        self._measuring.scores = self.scores(self.drawn(self._measuring.count))

    def drawn(self, count: int) -> list[Network]:
        """Return random networks, the same for all seeds."""
        return Proposals(self.graph, self.budget, 0, 0.0).first(count)


def data_of(options: argparse.Namespace) -> DataSpec:
    if options.data == "digits":
        return DataSpec(name="digits", validation=0.2)
    return DataSpec(name="cifar10", root=options.root, validation=0.1, subset=options.subset, image_size=options.size)


def spec(seed: int, options: argparse.Namespace, widths: Sequence[int] = WIDTHS) -> TrialSpec:
    return TrialSpec(
        data=data_of(options),
        model=ModelSpec(name="digits_cnn", options={"widths": list(widths)}),
        training=TrainingSpec(lr=0.05, batch_size=64),
        paradigm="dense",
        epochs=options.epochs or EPOCHS[options.data],
        seed=seed,
    )


def supernet(seed: int, options: argparse.Namespace, epochs: int, count: int) -> Measuring:
    """Train all widths together, and measure `count` networks."""
    described, measuring = spec(seed, options), Measuring(count)
    trial = LiveTrial(described, data.load(described.data), Alone(options.device, Path()))
    run_recipe((ScaleWidths(WIDEST), Reinitialize(), Train(epochs, during=measuring)), trial)
    return measuring


def measured(options: argparse.Namespace) -> list[Mapping[Network, float]]:
    """Return what the supernet of each seed measures of the networks."""

    def measure(key: tuple[str, int, int, int], _before: list[Row]) -> Row:
        _, seed, epochs, count = key
        return {"key": [*key], "scores": [*map(list, supernet(seed, options, epochs, count).scores.items())]}

    described = [spec(seed, options) for seed in options.seeds]
    count = options.networks + LEARNT_FROM
    keys = [(f"supernet of {options.data}", each.seed, each.epochs, count) for each in described]
    path = options.results.with_suffix(".supernets.jsonl")
    rows = rows_in(path, keys, lambda row: tuple(row["key"]), measure)
    found = {tuple(row["key"]): {tuple(widths): score for widths, score in row["scores"]} for row in rows}
    return [found[key] for key in keys]


def truth(networks: Sequence[Network], options: argparse.Namespace) -> torch.Tensor:
    """Return the accuracy of networks that were trained by themselves, [seeds, networks]."""
    specs = [spec(seed, options, widths) for seed in options.seeds for widths in networks]
    loaded = data.load(specs[0].data)
    images = {"accuracy": len(loaded.validation), "test_accuracy": len(loaded.test)}
    accuracies = [_accuracy(metrics, images) for metrics in run_all(specs, options)]
    return torch.tensor(accuracies, dtype=torch.float64).view(len(options.seeds), -1)


def _accuracy(metrics: Metrics, images: Mapping[str, int]) -> float:
    return sum(metrics[name] * count for name, count in images.items()) / sum(images.values())


def predicted(
    scores: Mapping[Network, float], networks: Sequence[Network], seed: int, start: _Measures
) -> torch.Tensor:
    """Return what a graph network expects of `networks`, which has learnt from the others."""
    graph, named = start.graph, start.budget.named
    others = [widths for widths in scores if widths not in networks]
    predictor = GraphPredictor(graph.nodes.smoothing, seed)
    predictor.fit(graph.rows([named(widths) for widths in others]), [scores[widths] for widths in others])
    return predictor.predict(graph.rows([named(widths) for widths in networks])).mean


def untrained(options: argparse.Namespace) -> _Measures:
    """Return what measures networks, before any training."""
    described = spec(0, options)
    trial = LiveTrial(described, data.load(described.data), Alone(options.device, Path()))
    run_recipe((ScaleWidths(WIDEST),), trial)
    return _Measures(Measuring(0), trial)


def tau(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(kendalltau(one.numpy(), other.numpy()).statistic)


def agreement(accuracies: torch.Tensor) -> float:
    """Return the mean tau between the accuracies of one seed and the mean of the others, [seeds, networks]."""
    seeds = range(len(accuracies))
    others = [accuracies[[each for each in seeds if each != seed]].mean(0) for seed in seeds]
    return statistics.mean(tau(one, other) for one, other in zip(accuracies, others, strict=True))


def share_of_networks(accuracies: torch.Tensor) -> float:
    """Return which share of the variance of the mean over seeds is the networks': 1 - within / between."""
    within = float(accuracies.var(0).mean())
    return 1 - within / (len(accuracies) * float(accuracies.mean(0).var()))


def table(taus: Mapping[int, tuple[float, float]]) -> Iterator[str]:
    yield "| seed of the supernet | tau of the supernet | tau of the graph network | difference |"
    yield "| --- | --- | --- | --- |"
    for seed, (raw, of_graph) in taus.items():
        yield f"| {seed} | {raw:.2f} | {of_graph:.2f} | {of_graph - raw:+.2f} |"
    raw, of_graph = (statistics.mean(column) for column in zip(*taus.values(), strict=True))
    yield f"| mean | {raw:.2f} | {of_graph:.2f} | {of_graph - raw:+.2f} |"


def main() -> None:
    parser = new_parser(__doc__, "width_ranking", epochs=0, subset=3_000)
    parser.set_defaults(device="cpu")
    parser.add_argument("--data", choices=[*EPOCHS], default="digits", help="what is trained on (digits)")
    parser.add_argument("--size", type=int, default=8, help="pixels of a side of CIFAR-10's images (8)")
    parser.add_argument("--networks", type=int, default=40, help="networks that are trained by themselves (40)")
    options = parse(parser)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    start, of_seeds = untrained(options), measured(options)
    networks = start.drawn(options.networks)
    accuracies = truth(networks, options)
    true, taus = accuracies.mean(0), dict[int, tuple[float, float]]()
    print(f"accuracy by itself: {true.min():.2%} to {true.max():.2%}")
    print(f"others to learn from: {len(of_seeds[0]) - len(networks)}")
    if len(options.seeds) > 1:
        agreed, share = agreement(accuracies), share_of_networks(accuracies)
        print(f"tau between a seed and the others: {agreed:.2f}; share of the networks in the variance: {share:.2f}")
    for seed, scores in zip(options.seeds, of_seeds, strict=True):
        raw = torch.tensor([scores[widths] for widths in networks], dtype=torch.float64)
        taus[seed] = tau(raw, true), tau(predicted(scores, networks, seed, start), true)
    print(*table(taus), sep="\n")


if __name__ == "__main__":
    main()

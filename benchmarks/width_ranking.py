"""How well shared weights rank widths, and how well a graph network does that learns from them.

    python -m benchmarks.width_ranking [--data digits] [--networks 40] [--threads 1]
    python -m benchmarks.width_ranking --data cifar10 [--subset 3000] [--size 8] [--root ../shared/data]
    python -m benchmarks.width_ranking --between 0.125 4 --others 300 --trained 16

A supernet for each seed measures networks that cost half of the MACs of a small CNN, with layers `--between` so many
times as wide: `--networks` that are also trained by themselves, and `--others` from which the graph network learns, or
as many as are found among networks so small. Kendall's tau is that with the mean accuracy, on validation and test
images together, of the networks trained by themselves, once for each seed. With `--trained`, so many of the others are
trained as long by themselves, and judged on the images on which the supernet measures; they correct the graph network.
What of the accuracy is the networks' and not the seeds' is said too: tau between one seed's accuracies and the others'
mean, and the share of the mean's variance that is the networks' (intraclass correlation), whose root is the most that
any ranking can be expected to correlate.

On digits all train for 12 epochs; of CIFAR-10, `--subset` images that are averaged to `--size` pixels a side are
trained on for 6; `--epochs` overrides both. A run that is typed again continues.
"""

import argparse
import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from scipy.stats import kendalltau

from benchmarks.trials import Alone, Metrics, Row, digest, new_parser, parse, rows_in, run_all
from trainables import data
from trainables.methods.width_proposals import Network, Proposals
from trainables.methods.width_search import WidthSearch
from trainables.recipes.recipe import Reinitialize, ScaleWidths, Train
from trainables.recipes.widths import ShareWeights
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial

WIDTHS = [16, 16, 32]
EPOCHS = {"digits": 12, "cifar10": 6}
MORE = 4
"""How many times as many networks are drawn as are wanted: of so small ones many come again."""
COLUMNS = ("the supernet", "the graph network", "one of those trained alone", "the first corrected")


@dataclass
class Measuring:
    """Training with shared weights after which random networks are measured, instead of a search."""

    rule: ShareWeights
    tested: int
    """How many of the networks are tested on: nothing learns from them."""
    scores: dict[Network, float] = field(default_factory=dict)
    alone: dict[Network, float] = field(default_factory=dict)
    """The scores of those that were trained by themselves."""

    def attach(self, trial: LiveTrial, _steps: int) -> WidthSearch:
        return _Measures(self, trial)

    @property
    def held_out(self) -> float:
        return self.rule.held_out


class _Measures(WidthSearch):
    def __init__(self, measuring: Measuring, trial: LiveTrial) -> None:
        super().__init__(measuring.rule, trial)
        self._measuring = measuring

    def finish(self) -> None:
        measuring, networks = self._measuring, self.drawn()
        measuring.scores = self.scores(networks)
        proposals = Proposals(self.graph, self.budget, 0, 0.0)
        others = {widths: measuring.scores[widths] for widths in networks[measuring.tested :]}
        proposals.learn(others)
        measuring.alone = self.scores_alone(proposals.spread(others, measuring.rule.trained))

    def drawn(self) -> list[Network]:
        """Return random networks, the same for all seeds: first those that are tested on."""
        count = self._measuring.rule.networks
        return Proposals(self.graph, self.budget, 0, 0.0).first(MORE * count)[:count]


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


def rule_of(options: argparse.Namespace) -> ShareWeights:
    narrowest, widest = options.between
    return ShareWeights(
        0,
        1,
        macs=0.5,
        narrowest=narrowest / widest,
        networks=options.networks + options.others,
        trained=options.trained,
        trained_epochs=options.epochs or EPOCHS[options.data],
    )


def supernet(seed: int, options: argparse.Namespace) -> Measuring:
    """Train all widths together, and measure networks."""
    described, measuring = spec(seed, options), Measuring(rule_of(options), options.networks)
    trial = LiveTrial(described, data.load(described.data), Alone(options.device, Path()))
    recipe = (ScaleWidths(options.between[1]), Reinitialize(), Train(described.epochs, during=measuring))
    run_recipe(recipe, trial)
    return measuring


def measured(options: argparse.Namespace) -> list[Measuring]:
    """Return what the supernet of each seed measures of the networks."""
    rule = rule_of(options)

    def measure(key: tuple[str, int, str], _before: list[Row]) -> Row:
        found = supernet(key[1], options)
        return {"key": [*key], "scores": [*found.scores.items()], "alone": [*found.alone.items()]}

    name = f"supernet of {options.data}"
    keys = [(name, seed, digest(spec(seed, options), rule, options.networks)) for seed in options.seeds]
    path = options.results.with_suffix(".supernets.jsonl")
    rows = {tuple(row["key"]): row for row in rows_in(path, keys, lambda row: tuple(row["key"]), measure)}
    return [
        Measuring(rule, options.networks, *(_networks(rows[key][of]) for of in ("scores", "alone"))) for key in keys
    ]


def _networks(pairs: Sequence[tuple[Sequence[int], float]]) -> dict[Network, float]:
    return {tuple(widths): score for widths, score in pairs}


def truth(networks: Sequence[Network], options: argparse.Namespace) -> torch.Tensor:
    """Return the accuracy of networks that were trained by themselves, [seeds, networks]."""
    specs = [spec(seed, options, widths) for seed in options.seeds for widths in networks]
    loaded = data.load(specs[0].data)
    images = {"accuracy": len(loaded.validation), "test_accuracy": len(loaded.test)}
    accuracies = [_accuracy(metrics, images) for metrics in run_all(specs, options)]
    return torch.tensor(accuracies, dtype=torch.float64).view(len(options.seeds), -1)


def _accuracy(metrics: Metrics, images: Mapping[str, int]) -> float:
    return sum(metrics[name] * count for name, count in images.items()) / sum(images.values())


def predicted(found: Measuring, networks: Sequence[Network], seed: int, start: _Measures) -> list[torch.Tensor]:
    """Return what a graph network expects of `networks`, which has learnt from the others.

    Where some of these were trained by themselves, then what one expects that has learnt from them alone, and what the
    first one expects that they correct.
    """
    proposals = Proposals(start.graph, start.budget, seed, 0.0)
    proposals.learn({widths: score for widths, score in found.scores.items() if widths not in networks})
    plain = proposals.expected(networks)
    if not found.alone:
        return [plain]
    without = Proposals(start.graph, start.budget, seed, 0.0)
    without.learn(found.alone)
    proposals.correct(found.alone)
    return [plain, without.expected(networks), proposals.expected(networks)]


def untrained(options: argparse.Namespace) -> _Measures:
    """Return what measures networks, before any training."""
    described = spec(0, options)
    trial = LiveTrial(described, data.load(described.data), Alone(options.device, Path()))
    run_recipe((ScaleWidths(options.between[1]),), trial)
    return _Measures(Measuring(rule_of(options), options.networks), trial)


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


def table(taus: Mapping[int, Sequence[float]]) -> Iterator[str]:
    """Yield a row for each seed, and their mean; the difference is that of the last column of taus and the first."""
    means = [statistics.mean(column) for column in zip(*taus.values(), strict=True)]
    columns = COLUMNS[: len(means)]
    yield f"| seed of the supernet | {' | '.join(f'tau of {one}' for one in columns)} | difference |"
    yield f"| {' | '.join('---' for _ in range(len(means) + 2))} |"
    for seed, row in [*taus.items(), ("mean", means)]:
        yield f"| {seed} | {' | '.join(f'{one:.2f}' for one in row)} | {row[-1] - row[0]:+.2f} |"


def main() -> None:
    parser = new_parser(__doc__, "width_ranking", epochs=0, subset=3_000)
    parser.set_defaults(device="cpu")
    parser.add_argument("--data", choices=[*EPOCHS], default="digits", help="what is trained on (digits)")
    parser.add_argument("--size", type=int, default=8, help="pixels of a side of CIFAR-10's images (8)")
    parser.add_argument("--networks", type=int, default=40, help="networks that are trained by themselves (40)")
    parser.add_argument("--others", type=int, default=100, help="networks that the graph network learns from (100)")
    parser.add_argument("--trained", type=int, default=0, help="how many of these are trained by themselves (0)")
    parser.add_argument(
        "--between", type=float, nargs=2, default=[0.25, 1.5], help="the narrowest and the widest layers (0.25 1.5)"
    )
    options = parse(parser)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    start, of_seeds = untrained(options), measured(options)
    networks = start.drawn()[: options.networks]
    accuracies = truth(networks, options)
    true, taus = accuracies.mean(0), dict[int, list[float]]()
    print(f"accuracy by itself: {true.min():.2%} to {true.max():.2%}")
    print(f"others to learn from: {len(of_seeds[0].scores) - len(networks)}")
    if len(options.seeds) > 1:
        agreed, share = agreement(accuracies), share_of_networks(accuracies)
        print(f"tau between a seed and the others: {agreed:.2f}; share of the networks in the variance: {share:.2f}")
    raws = torch.tensor([[found.scores[widths] for widths in networks] for found in of_seeds], dtype=torch.float64)
    if len(raws) > 1:
        pairs = itertools.combinations(raws, 2)
        print(f"tau between two supernets: {statistics.mean(tau(*pair) for pair in pairs):.2f}")
    for seed, found, raw in zip(options.seeds, of_seeds, raws, strict=True):
        taus[seed] = [tau(one, true) for one in (raw, *predicted(found, networks, seed, start))]
    print(*table(taus), sep="\n")


if __name__ == "__main__":
    main()

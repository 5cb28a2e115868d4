"""L1 filter pruning of ResNet-56 on CIFAR-10 at two finetuning learning rates, beside published figures.

    python -m benchmarks.gpu.l1_resnet56 [--root ../shared/data] [--ratios 0.3 0.5 0.7 0.9 0.95]

One dense training per seed (200 epochs, learning rate 0.1, x0.1 at half and three quarters), from which every trial
starts; then in every residual block the filters of smallest L1 norm of the first convolution go, the same share in each
(arXiv 1608.08710), and what is left is finetuned for 120 epochs, x0.1 at 60 and 90, weight decay 5e-4, as in
MingSun-Tse/TPP, pruner/opp_args.py. 500 of the training images are held out and never used. Test accuracy is that of
the last epoch. Fewer `--epochs` shorten finetuning in proportion; `--epochs 1 --subset 500 --device cpu --ratios
0.5` is a trial run. A run that is typed again goes on.

Published: MingSun-Tse/TPP, figs/tab1.png (commit a46ae3c); base network 93.78 %. How that base was trained is not said
there.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.trials import Metrics, new_parser, parse, run_all
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec

RATES = (1e-2, 1e-3)
PEAK = 0.1
FINETUNING = 120 / 200
"""Epochs of finetuning, as a share of those of dense training."""


@dataclass(frozen=True)
class Published:
    """What the source gives for one pruning ratio: percent of weights gone, speedup, mean and deviation by rate."""

    sparsity: float
    speedup: float
    accuracy: Mapping[float, tuple[float, float]]


PUBLISHED = {
    0.3: Published(31.14, 1.45, {1e-2: (93.79, 0.06), 1e-3: (93.43, 0.06)}),
    0.5: Published(49.82, 1.99, {1e-2: (93.51, 0.07), 1e-3: (93.12, 0.10)}),
    0.7: Published(70.57, 3.59, {1e-2: (92.26, 0.17), 1e-3: (91.77, 0.11)}),
    0.9: Published(90.39, 11.41, {1e-2: (86.75, 0.31), 1e-3: (87.57, 0.09)}),
    0.95: Published(95.19, 19.31, {1e-2: (83.03, 0.07), 1e-3: (83.10, 0.12)}),
}

Measured = Mapping[tuple[float, float], Sequence[Metrics]]
"""The metrics of all seeds by pruning ratio and finetuning rate."""


def trial(ratio: float, rate: float, seed: int, options: argparse.Namespace) -> TrialSpec:
    finetuning = max(1, round(FINETUNING * options.epochs))
    total = options.epochs + finetuning
    return TrialSpec(
        data=DataSpec(name="cifar10", root=options.root, validation=0.01, subset=options.subset),
        model=ModelSpec(name="resnet56"),
        training=TrainingSpec(lr=PEAK, schedule="step", weight_decay=5e-4),
        paradigm="magnitude",
        hyperparameters={
            "granularity": "filter",
            "scope": "layer",
            "sparsity": ratio,
            "finetune": finetuning / total,
            "finetune_lr": rate / PEAK,
        },
        epochs=total,
        seed=seed,
    )


def table(measured: Measured) -> Iterator[str]:
    yield "| ratio | rate | params cut % (published) | speedup (published) | test (std) | published | difference |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for (ratio, rate), rows in measured.items():
        published = PUBLISHED[ratio]
        (mean, deviation), (theirs, spread) = accuracy(rows), published.accuracy[rate]
        cut = statistics.mean(100 * (1 - row["params"] / row["params_dense"]) for row in rows)
        speedup = statistics.mean(row["macs_dense"] / row["macs"] for row in rows)
        sizes = f"{cut:.2f} ({published.sparsity:.2f}) | {speedup:.2f} ({published.speedup:.2f})"
        ours = f"{mean:.2f} ({deviation:.2f}) | {theirs:.2f} ({spread:.2f})"
        yield f"| {ratio} | {rate:.0e} | {sizes} | {ours} | {mean - theirs:+.2f} |"


def gaps(measured: Measured) -> Iterator[str]:
    """Yield what the smaller finetuning rate gains over the larger one, ours beside the published difference."""
    large, small = RATES
    for ratio in dict.fromkeys(ratio for ratio, _ in measured):
        published = PUBLISHED[ratio]
        ours = accuracy(measured[ratio, small])[0] - accuracy(measured[ratio, large])[0]
        theirs = published.accuracy[small][0] - published.accuracy[large][0]
        yield f"{small:.0e} instead of {large:.0e} at ratio {ratio}: {ours:+.2f}, published {theirs:+.2f}"


def accuracy(rows: Sequence[Metrics]) -> tuple[float, float]:
    values = [100 * row["test_accuracy"] for row in rows]
    return statistics.mean(values), statistics.pstdev(values)


def main() -> None:
    parser = new_parser(__doc__, "l1_resnet56", epochs=200, subset=None)
    parser.add_argument("--ratios", type=float, nargs="+", choices=list(PUBLISHED), default=list(PUBLISHED))
    options = parse(parser)
    wanted = [(ratio, rate, seed) for seed in options.seeds for ratio in options.ratios for rate in RATES]
    specs = [trial(*one, options) for one in wanted]
    measured: dict[tuple[float, float], list[Metrics]] = {}
    for (ratio, rate, _), row in zip(wanted, run_all(specs, options, {"magnitude": options.epochs}), strict=True):
        measured.setdefault((ratio, rate), []).append(row)
    print(*table(measured), "", *gaps(measured), sep="\n")


if __name__ == "__main__":
    main()

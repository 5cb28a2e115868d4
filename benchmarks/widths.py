"""Widths that were searched for beside equal shares of the network's own, at equal MACs, on handwritten digits.

    python -m benchmarks.widths [--epochs 12] [--threads 1] [--rows dense uniform]

The CNN for digits. Every network's last training takes `--epochs` from fresh weights, with the same schedule; what
searches trains more before, and what that cost is stated, in trainings of the dense network. A run that is typed again
continues.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.trials import Method, Metrics, new_parser, parse, percent, run_all
from trainables.spec import DataSpec, ModelSpec, Option, TrainingSpec, TrialSpec, Value

DENSE: Mapping[str, Option] = {"widths": [32, 32, 64]}
HALF: Mapping[str, Option] = {"widths": [23, 22, 46]}
"""The dense network's widths by the square root of two: half of its MACs."""


_SEARCH: Mapping[str, Value] = {"search": 0.5, "target_macs": 0.5, "initial": 16, "narrowest": 8, "widest": 64}
_ADJUST: Mapping[str, Value] = {"rounds": 2, "moved": 1}
_SHARED: Mapping[str, Value] = {"search": 0.5, "target_macs": 0.5, "widest": 1.5, "narrowest": 0.25, "networks": 60}

METHODS = {
    "dense": Method("dense"),
    "network adjustment": Method("network_adjustment", _ADJUST, trainings=3),
    "uniform": Method("dense", network=HALF),
    "channel search": Method("channel_search", _SEARCH, trainings=2),
    "channel search, v1": Method("channel_search", {**_SEARCH, "variant": "v1", "round_epochs": 3}, trainings=2),
    "width search": Method("width_search", _SHARED, trainings=2),
    "network adjustment of uniform": Method("network_adjustment", _ADJUST, trainings=3, network=HALF),
}

Table = Mapping[str, Sequence[Metrics]]


def trial(name: str, seed: int, options: argparse.Namespace) -> TrialSpec:
    method = METHODS[name]
    return TrialSpec(
        data=DataSpec(name="digits", validation=0.2, subset=options.subset),
        model=ModelSpec(name="digits_cnn", options={**DENSE, **method.network}),
        training=TrainingSpec(lr=0.05, batch_size=64),
        paradigm=method.paradigm,
        hyperparameters=method.settings,
        epochs=method.trainings * options.epochs,
        seed=seed,
    )


def table(measured: Table) -> Iterator[str]:
    training = statistics.mean(metrics["train_flops"] for metrics in measured["dense"])
    yield "| network | MACs | parameters | training cost | validation | test |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, metrics in measured.items():
        macs, params, cost = (
            statistics.mean(each[key] for each in metrics) for key in ("macs", "params", "train_flops")
        )
        accuracy = (percent([each[key] for each in metrics]) for key in ("accuracy", "test_accuracy"))
        yield f"| {name} | {macs / 1e3:.0f} k | {params / 1e3:.1f} k | {cost / training:.1f} | {' | '.join(accuracy)} |"


def main() -> None:
    parser = new_parser(__doc__, "widths", epochs=12, subset=None)
    parser.add_argument(
        "--rows", nargs="+", choices=METHODS, default=[*METHODS], help="rows of the table, dense among them"
    )
    options = parse(parser)
    if "dense" not in options.rows:
        parser.error("--rows: dense must be among them, which the cost of the others is a multiple of")
    specs = {(name, seed): trial(name, seed, options) for seed in options.seeds for name in options.rows}
    metrics = dict(zip(specs, run_all(list(specs.values()), options), strict=True))
    print(*table({name: [metrics[name, seed] for seed in options.seeds] for name in options.rows}), sep="\n")


if __name__ == "__main__":
    main()

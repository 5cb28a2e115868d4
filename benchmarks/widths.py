"""Widths that were searched for beside equal shares of the network's own, at equal MACs, on digits and on CIFAR-10.

    python -m benchmarks.widths [--data digits cifar10] [--epochs 12] [--threads 1] [--rows dense uniform]

The CNN for digits, 12 epochs; and ResNet-20 of half its width on `--subset` images of CIFAR-10 that are averaged to
`--size` pixels a side, 8 epochs; `--epochs` overrides both. Every network's last training takes that many epochs from
fresh weights, with the same schedule; what searches trains more before, and what that cost is stated, in trainings of
the dense network. The last row searches by complexity-aware training to half of the MACs, blocks that it drops
included. A run that is typed again continues.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trials import Alone, Method, Metrics, Row, digest, new_parser, parse, percent, rows_in, run_all
from trainables import data, paradigms
from trainables.recipes.recipe import Reinitialize, Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, Option, TrainingSpec, TrialSpec, Value
from trainables.state import LiveTrial
from trainables.trial import measure_final

_ADJUST: Mapping[str, Value] = {"rounds": 2}
_SHARED: Mapping[str, Value] = {"search": 0.5, "target_macs": 0.5, "widest": 1.5, "narrowest": 0.25, "networks": 60}


FOUND = "complexity-aware training"


@dataclass(frozen=True)
class Setting:
    """What the rows of a table train, for how many epochs and how, and the hyper-parameters that suit it.

    `half` are the options with which the network has half of the MACs, equal shares of its widths; `ranks` are the
    fewest and the most channels of channel search, and those with which it begins.
    """

    data: DataSpec
    network: ModelSpec
    half: Mapping[str, Option]
    epochs: int
    training: TrainingSpec
    ranks: Mapping[str, Value]
    adjust: Mapping[str, Value]

    @property
    def methods(self) -> dict[str, Method]:
        """The rows, by name."""
        ranks = {"search": 0.5, "target_macs": 0.5, **self.ranks}
        return {
            "dense": Method("dense"),
            "network adjustment": Method("network_adjustment", self.adjust, trainings=3),
            "uniform": Method("dense", network=self.half),
            "channel search": Method("channel_search", ranks, trainings=2),
            "channel search, v1": Method("channel_search", {**ranks, "variant": "v1", "round_epochs": 3}, trainings=2),
            "width search": Method("width_search", _SHARED, trainings=2),
            "network adjustment of uniform": Method("network_adjustment", self.adjust, trainings=3, network=self.half),
        }

    def trial(self, method: Method, seed: int, epochs: int | None) -> TrialSpec:
        """Return a trial of a row; `epochs` are those of the last training, None those of the setting."""
        return TrialSpec(
            data=self.data,
            model=ModelSpec(name=self.network.name, options={**self.network.options, **method.network}),
            training=self.training,
            paradigm=method.paradigm,
            hyperparameters=method.settings,
            epochs=method.trainings * (epochs or self.epochs),
            seed=seed,
        )


ROWS = (
    "dense",
    "network adjustment",
    "uniform",
    "channel search",
    "channel search, v1",
    "width search",
    "network adjustment of uniform",
    FOUND,
)


def settings_of(options: argparse.Namespace) -> dict[str, Setting]:
    """Return the settings by the name of their data."""
    cifar10 = DataSpec(
        name="cifar10", root=options.root, validation=0.1, subset=options.subset, image_size=options.size
    )
    return {
        "digits": Setting(
            DataSpec(name="digits", validation=0.2),
            ModelSpec(name="digits_cnn", options={"widths": [32, 32, 64]}),
            {"widths": [23, 22, 46]},
            12,
            TrainingSpec(lr=0.05, batch_size=64),
            {"initial": 16, "narrowest": 8, "widest": 64},
            {**_ADJUST, "moved": 1},
        ),
        "cifar10": Setting(
            cifar10,
            ModelSpec(name="resnet20", options={"width": 0.5}),
            {"width": 0.35},
            8,
            TrainingSpec(lr=0.1, batch_size=64),
            {"initial": 8, "narrowest": 4, "widest": 64},
            _ADJUST,
        ),
    }


Table = Mapping[str, Sequence[Metrics]]


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


def measured(setting: Setting, options: argparse.Namespace) -> Table:
    """Run what is not there yet of the rows that are asked for; return what all of them measure, by seed."""
    methods = setting.methods
    wanted = [(name, seed) for seed in options.seeds for name in options.rows if name in methods]
    specs = [setting.trial(methods[name], seed, options.epochs) for name, seed in wanted]
    metrics = dict(zip(wanted, run_all(specs, options), strict=True))
    if FOUND in options.rows:
        metrics |= {(FOUND, seed): each for seed, each in zip(options.seeds, found(setting, options), strict=True)}
    return {name: [metrics[name, seed] for seed in options.seeds] for name in options.rows}


def found(setting: Setting, options: argparse.Namespace) -> list[Metrics]:
    """Return what the networks of complexity-aware training measure, by seed, that were trained again from scratch."""
    method = Method("complexity_aware", {"target_macs": 0.5}, trainings=2)
    specs = {seed: setting.trial(method, seed, options.epochs) for seed in options.seeds}

    def measure(key: tuple[str, int, str], _before: list[Row]) -> Row:
        return {"key": [*key], "metrics": from_scratch(specs[key[1]], options)}

    keys = [(f"{FOUND} on {setting.data.name}", seed, digest(spec)) for seed, spec in specs.items()]
    rows = rows_in(options.results.with_suffix(".found.jsonl"), keys, lambda row: tuple(row["key"]), measure)
    of_key = {tuple(row["key"]): row["metrics"] for row in rows}
    return [of_key[key] for key in keys]


def from_scratch(spec: TrialSpec, options: argparse.Namespace) -> Metrics:
    """Prune for half of the epochs, then draw the weights again, and train for the others."""
    half = spec.epochs // 2
    pruning = paradigms.find(spec.paradigm).create(spec.hyperparameters).recipe(half)
    trial = LiveTrial(spec, data.load(spec.data), Alone(options.device, Path()))
    run_recipe((*pruning, Reinitialize(), Train(half)), trial)
    return measure_final(trial)


def main() -> None:
    parser = new_parser(__doc__, "widths", epochs=0, subset=2_000)
    parser.set_defaults(device="cpu")
    parser.add_argument("--data", nargs="+", choices=("digits", "cifar10"), default=["digits"])
    parser.add_argument("--size", type=int, default=16, help="pixels of a side of CIFAR-10's images (16)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=[*ROWS], help="rows of the table, dense among them")
    options = parse(parser)
    if "dense" not in options.rows:
        parser.error("--rows: dense must be among them, which the cost of the others is a multiple of")
    for name in options.data:
        print(f"\n{name}", *table(measured(settings_of(options)[name], options)), sep="\n", flush=True)


if __name__ == "__main__":
    main()

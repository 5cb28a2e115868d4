"""A budget of latency: what the table of layer times foretells, and what the network then takes.

    python -m benchmarks.latency_budget [--networks digits_cnn resnet20] [--budgets 0.7 0.5] [--seeds 0 1 2]

Each network trains on the digits for 15 epochs towards each share of the time of its layers, measured before training
on one thread for `--batch` images at once; layers keep multiples of `--round-to` units. Then the dense and the small
network take turns for `--runs` forward passes each; medians count. `by the table` is the share that the budget was met
with.
"""

import argparse
import statistics
from collections.abc import Iterator

import torch

from benchmarks.complexity_aware_comparison import Quiet
from trainables import data
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Train
from trainables.runner import evaluate_on, run_recipe
from trainables.spec import DataSpec, LatencySpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import latency

EPOCHS = 15
WINDOW = 6


def trained(network: str, budget: float, seed: int, options: argparse.Namespace) -> LiveTrial:
    """Return a trial whose network was trained towards a share of its layers' time."""
    spec = TrialSpec(
        data=DataSpec(name="digits", validation=0.2),
        model=ModelSpec(name=network),
        training=TrainingSpec(batch_size=64, precision="float32"),
        paradigm="complexity_aware",
        epochs=EPOCHS,
        seed=seed,
        latency=LatencySpec(batch=options.batch),
    )
    trial = LiveTrial(spec, data.load(spec.data), Quiet())
    gating = Gating(epochs=WINDOW, beta=0.25, target_latency=budget, round_to=options.round_to)
    run_recipe((Train(EPOCHS, during=gating),), trial)
    return trial


def in_turns(trial: LiveTrial, batch: int, runs: int) -> tuple[float, float]:
    """Return the median seconds of the dense network and of the trial's own, which take turns."""
    shape = trial.dataset.input_shape
    dense = trial.place(trial.build())
    seconds = [
        [latency(model, shape, batch=batch, warmup=2, runs=1) for model in (dense, trial.model)] for _ in range(runs)
    ]
    whole, small = (statistics.median(column) for column in zip(*seconds, strict=True))
    return whole, small


def table(options: argparse.Namespace) -> Iterator[str]:
    yield "| network | budget | seed | by the table | measured | MACs | ms: foretold, measured, dense | test |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for network in options.networks:
        for budget in options.budgets:
            for seed in options.seeds:
                trial = trained(network, budget, seed, options)
                whole, small = in_turns(trial, options.batch, options.runs)
                told = trial.measured["latency_predicted"]
                share, macs = told / trial.measured["latency_dense"], trial.cost().macs / trial.dense().cost().macs
                times = ", ".join(f"{1e3 * value:.2f}" for value in (told, small, whole))
                test = 100 * evaluate_on(trial, "test").accuracy
                figures = f"{share:.3f} | {small / whole:.3f} | {macs:.3f} | {times} | {test:.1f}"
                yield f"| {network} | {budget} | {seed} | {figures} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["digits_cnn", "resnet20"])
    parser.add_argument("--budgets", type=float, nargs="+", default=[0.7, 0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--batch", type=int, default=64, help="images of a forward pass")
    parser.add_argument("--round-to", type=int, default=1, help="layers keep multiples of so many units")
    parser.add_argument("--runs", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for line in table(options):
        print(line, flush=True)


if __name__ == "__main__":
    main()

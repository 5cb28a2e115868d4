"""What more nodes, and more processes a trial, cost.

    python benchmarks/scale.py [--trials 400] [--nodes 1 2 4] [--only nodes reports group]

Part `nodes`: trials that do nothing, on clusters of so many nodes of two places each, all of them on this machine:
trials per second between the first and the last that was told, the driver's processor time per trial, its peak memory.
The nodes share this machine's processors, so that the driver's time is what carries over to a real cluster.

Part `reports`: the same on one node, with two epochs a trial and with twenty: what a report costs the driver.

Part `group`: dense networks trained by one process and, with the same batches, by two: seconds from the start of a
trial to its first step, for the first trial (processes start) and the next (they are there), and seconds per step, as
ratios in one run. Each process has one thread.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from many_trials import Clock, report  # type: ignore[import-not-found]  # this is run as a script, and lies beside it

from orchestrator import study
from orchestrator.execution.trial_context import WorkerContext
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from trainables.spec import TrialSpec

PLACES = 2
"""Trials that a node runs at once."""

EPOCHS = 3
FEWEST, MOST = 2, 20
"""Epochs that trials report which do nothing."""
MODELS = {"digits_cnn": 32, "resnet20": 128}
"""Networks and their batch sizes."""


def reporting(spec: TrialSpec, context: WorkerContext) -> None:
    """Report so many epochs, and do nothing else."""
    whole = report(spec)
    for epoch in range(1, spec.epochs + 1):
        metrics = whole.metrics if epoch == spec.epochs else {}
        context.report(replace(whole, epoch=epoch, fidelity=epoch / spec.epochs, metrics=metrics), lambda _: None)


def nothing(trials: int, epochs: int) -> StudySpec:
    return StudySpec.model_validate_json(
        f"""{{"name": "nothing", "data": {{"name": "digits"}}, "model": {{"name": "mlp"}},
        "paradigms": {{"magnitude": {{}}}}, "search": {{"sampler": "random", "trials": {trials}}},
        "fidelity": {{"epochs": {epochs}}}}}"""
    )


def dense(model: str, workers: int) -> StudySpec:
    return StudySpec.model_validate_json(
        f"""{{"name": "dense-{model}", "data": {{"name": "digits"}}, "model": {{"name": "{model}"}},
        "training": {{"batch_size": {MODELS[model]}, "precision": "float32"}}, "paradigms": {{"dense": null}},
        "search": {{"trials": 2}}, "fidelity": {{"epochs": {EPOCHS}}},
        "resources": {{"workers": {workers}, "cpus": {1 if workers > 1 else os.cpu_count()}}}}}"""
    )


def on_nodes(nodes: int, trials: int, epochs: int) -> dict[str, float]:
    """Run a study that does nothing on a cluster of so many nodes."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": PLACES, "num_gpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        for _ in range(nodes - 1):
            cluster.add_node(**node)
        cluster.wait_for_nodes()
        os.environ["RAY_ADDRESS"] = cluster.address
        clock = Clock()
        with tempfile.TemporaryDirectory(prefix="scale-", ignore_cleanup_errors=True) as folder:
            study.launch(nothing(trials, epochs), Store(Path(folder)), observer=clock, run="scale:reporting")
    finally:
        cluster.shutdown()
    (begun, begun_driver), *_, (ended, ended_driver) = clock.told
    return {
        "per_second": (len(clock.told) - 1) / (ended - begun),
        "driver_ms": 1e3 * (ended_driver - begun_driver) / (len(clock.told) - 1),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_group(workers: int, model: str) -> dict[str, float]:
    """Train the dense network twice, one trial after the other, by so many processes."""
    os.environ["OMP_NUM_THREADS"] = "1"
    spec = dense(model, workers)
    with tempfile.TemporaryDirectory(prefix="scale-", ignore_cleanup_errors=True) as folder:
        first, second = study.launch(spec, Store(Path(folder)), run="scale:one_thread").records
    assert first.state is second.state is State.COMPLETE
    return {
        "first_start": _beyond_epochs(first),
        "next_start": _beyond_epochs(second),
        "epoch": statistics.median(epoch.seconds for one in (first, second) for epoch in one.curve),
    }


def one_thread(spec: TrialSpec, context: WorkerContext) -> None:
    """Run a trial with one thread a process, however many processors it may have."""
    import torch

    from trainables.trial import run_trial

    torch.set_num_threads(1)
    run_trial(spec, context)


def _beyond_epochs(record: TrialRecord) -> float:
    """Return the seconds of a trial that were not spent in training steps."""
    assert record.started is not None
    assert record.finished is not None
    return (record.finished - record.started).total_seconds() - sum(one.seconds for one in record.curve)


PARTS: dict[str, Callable[..., dict[str, float]]] = {"nodes": on_nodes, "group": in_group}
SHOWN = ("nodes", "reports", "group")


def measure(part: str, *arguments: object) -> dict[str, float]:
    """Do one measurement in a process of its own."""
    command = [sys.executable, __file__, "--part", part, *map(str, arguments)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(printed.splitlines()[-1])
    return found


def show_nodes(counts: list[int], trials: int) -> None:
    print(f"{trials} trials that do nothing, {PLACES} places a node")
    print(f"{'nodes':>6} {'trials/s':>9} {'of one node':>12} {'driver ms/trial':>16} {'driver MB':>10}")
    first = None
    for nodes in counts:
        found = measure("nodes", nodes, trials, FEWEST)
        first = first or found
        ratio = found["per_second"] / first["per_second"]
        print(
            f"{nodes:>6} {found['per_second']:>9.1f} {ratio:>12.2f} {found['driver_ms']:>16.1f}"
            f" {found['megabytes']:>10.0f}",
            flush=True,
        )


def show_reports(trials: int) -> None:
    few, many = (measure("nodes", 1, trials, epochs)["driver_ms"] for epochs in (FEWEST, MOST))
    each = (many - few) / (MOST - FEWEST)
    print(
        f"driver, ms of its processor: {few - FEWEST * each:.1f} a trial and {each:.2f} an epoch that is reported",
        flush=True,
    )


def show_groups() -> None:
    print("dense networks on digits, one process against two with the same batches, one thread each")
    print(f"{'network':>12} {'processes':>10} {'first trial, s':>15} {'next, s':>8} {'epoch, s':>9} {'of one':>7}")
    for model in MODELS:
        alone = measure("group", 1, model)
        for workers, found in ((1, alone), (2, measure("group", 2, model))):
            ratio = found["epoch"] / alone["epoch"]
            print(
                f"{model:>12} {workers:>10} {found['first_start']:>15.1f} {found['next_start']:>8.1f}"
                f" {found['epoch']:>9.2f} {ratio:>7.2f}",
                flush=True,
            )
    print("seconds of a trial are those beyond its training steps: start, evaluations, the last measurements")


def main() -> None:
    """Print what is measured, or, for one part, its figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure what nodes and processes cost.")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--only", choices=SHOWN, nargs="+", default=SHOWN)
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        name, *arguments = options.part
        print(json.dumps(PARTS[name](*(int(one) if one.isdigit() else one for one in arguments))))
        return
    if "nodes" in options.only:
        show_nodes(options.nodes, options.trials)
    if "reports" in options.only:
        show_reports(options.trials)
    if "group" in options.only:
        show_groups()


if __name__ == "__main__":
    main()

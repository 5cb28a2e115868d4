"""Ray Tune runs what the sweep hands out. Import it inside a `cluster.ray_session`: it imports Ray."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.air._internal import usage
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

from orchestrator.execution import mps, worker
from orchestrator.execution.capacity import Capacity
from orchestrator.execution.recorder import NoProgress, Recorder
from orchestrator.execution.scheduler import ParetoHalving
from orchestrator.execution.searcher import LedgerSearcher
from orchestrator.store.attempts import attempt_folder
from orchestrator.sweep.sweep import Assignment, Sweep


def run_trials(sweep: Sweep, cache: Path, run: str) -> bool:
    """Run trials until there are none left or a signal asks for the end; return whether one did.

    `run` names the function that runs a trial, `cache` is where trials of one machine share their data.
    """
    spec, folder = sweep.ledger.spec, sweep.ledger.folder
    recorder, capacity = Recorder(sweep), Capacity(spec.resources)
    tuner = tune.Tuner(
        tune.with_resources(worker.train, _placement),
        tune_config=tune.TuneConfig(
            search_alg=LedgerSearcher(
                sweep,
                capacity,
                partial(_configuration, sweep, cache, run),
                lambda: recorder.interrupted,
            ),
            scheduler=ParetoHalving(sweep, capacity),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: Path(trial.config["folder"]).name,
        ),
        run_config=tune.RunConfig(
            name=folder.trials.name,
            storage_path=str(folder.path),
            callbacks=[recorder, NoProgress()],
            failure_config=tune.FailureConfig(max_failures=0),  # the sweep knows which trials deserve another attempt
            verbose=0,
        ),
    )
    with mps.running(spec.resources), _signal_handlers_restored(), _callbacks_uncounted(), _keys_kept():
        try:
            tuner.fit()
        except Exception:
            if recorder.error is not None:
                raise recorder.error from None
            raise
    return recorder.interrupted


def _placement(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """Return what a trial occupies: a bundle a worker, all at once or none, close together where that can be had."""
    bundle = {kind: config[key] for kind, key in (("CPU", "cpus"), ("GPU", "gpus")) if config[key]}
    return tune.PlacementGroupFactory([bundle] * config["workers"])


def _configuration(
    sweep: Sweep, cache: Path, run: str, trial: Assignment, workers: int, tune_id: str
) -> dict[str, Any]:
    """Return what the workers receive: plain values only."""
    spec, chosen, folder = sweep.ledger.spec, trial.configuration, sweep.ledger.folder
    files = folder.remote and folder.remote.below(folder.trials.name)
    return {
        "number": trial.number,
        "owner": asdict(replace(sweep.ledger.owner(trial.number), epoch=0)),
        "trial": spec.trial(chosen.paradigm, chosen.params, chosen.seed).as_dict(),
        "run": run,
        "folder": str(attempt_folder(folder.trials, trial.number, tune_id)),
        "remote": files.explicit.url if files is not None else None,
        "resume_from": str(trial.checkpoint) if trial.checkpoint is not None else None,
        "device": "cuda" if spec.resources.gpus > 0 else "cpu",
        "cache": str(cache),
        "cpus": spec.resources.cpus,
        "gpus": spec.resources.gpus,
        "workers": workers,
        "mps": spec.resources.mps,
    }


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """Undo what Ray Tune and the recorder do to signal handlers. Handlers can be set in the main thread only."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _callbacks_uncounted() -> Iterator[None]:
    """Keep Ray from counting callbacks for its usage statistics, which are off: it would import MLflow to do so."""
    count = usage.tag_callbacks
    usage.tag_callbacks = lambda _: False
    try:
        yield
    finally:
        usage.tag_callbacks = count


@contextmanager
def _keys_kept() -> Iterator[None]:
    """Keep Ray Tune from sending the driver's AWS keys to workers: they stand in commands then, for all to see."""
    sent = set(ENV_VARS_TO_PROPAGATE)
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in sent if name.startswith("AWS_")})
    try:
        yield
    finally:
        ENV_VARS_TO_PROPAGATE.update(sent)

"""Ray Tune runs what the sweep hands out. Import it inside a `cluster.ray_session`: it imports Ray."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune
from ray.air._internal import usage

from orchestrator import worker
from orchestrator.callback import NoProgress, Recorder
from orchestrator.cluster import slots
from orchestrator.scheduler import ParetoHalving
from orchestrator.searcher import LedgerSearcher
from orchestrator.sweep import Assignment, Sweep


def run_trials(sweep: Sweep, cache: Path, run: str) -> bool:
    """Run trials until there are none left or a signal asks for the end; return whether one did.

    `run` names the function that runs a trial, `cache` is where trials of one machine share their data.
    """
    spec, folder = sweep.ledger.spec, sweep.ledger.folder
    recorder = Recorder(sweep)
    tuner = tune.Tuner(
        tune.with_resources(worker.train, {"cpu": spec.resources.cpus, "gpu": spec.resources.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=LedgerSearcher(sweep, slots(spec.resources), partial(_configuration, sweep, cache, run)),
            scheduler=ParetoHalving(sweep),
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
    with _signal_handlers_restored(), _callbacks_uncounted():
        try:
            tuner.fit()
        except Exception:
            if recorder.error is not None:
                raise recorder.error from None
            raise
    return recorder.interrupted


def _configuration(sweep: Sweep, cache: Path, run: str, trial: Assignment, tune_id: str) -> dict[str, Any]:
    """Return what the worker receives: plain values only."""
    spec, chosen = sweep.ledger.spec, trial.configuration
    return {
        "number": trial.number,
        "trial": spec.trial(chosen.paradigm, chosen.params, chosen.seed).as_dict(),
        "run": run,
        "folder": str(sweep.ledger.folder.trials / f"{trial.number:05d}-{tune_id}"),
        "resume_from": str(trial.checkpoint) if trial.checkpoint is not None else None,
        "device": "cuda" if spec.resources.gpus > 0 else "cpu",
        "cache": str(cache),
        "cpus": spec.resources.cpus,
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

"""Ray Tune runs what the sweep hands out. Import it inside a `cluster.ray_session`: it imports Ray."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune

from orchestrator.execution import mps, worker
from orchestrator.execution.capacity import Capacity
from orchestrator.execution.ray_internals import callbacks_uncounted, keys_kept
from orchestrator.execution.recorder import NoProgress, Recorder
from orchestrator.execution.scheduler import ParetoHalving
from orchestrator.execution.searcher import LedgerSearcher
from orchestrator.execution.work_order import WorkOrder
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
                partial(_work_order, sweep, cache, run),
                lambda: recorder.interrupted,
            ),
            scheduler=ParetoHalving(sweep, capacity, recorder.note_verdict),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: WorkOrder.from_dict(trial.config).folder.name,
        ),
        run_config=tune.RunConfig(
            name=folder.trials.name,
            storage_path=str(folder.path),
            callbacks=[recorder, NoProgress()],
            failure_config=tune.FailureConfig(max_failures=0),  # the sweep knows which trials deserve another attempt
            verbose=0,
        ),
    )
    with mps.running(spec.resources), _signal_handlers_restored(), callbacks_uncounted(), keys_kept():
        try:
            tuner.fit()
        except Exception:
            if recorder.error is not None:
                raise recorder.error from None
            raise
    return recorder.interrupted


def _placement(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """Return what a trial occupies: a bundle a worker, all at once or none, close together where that can be had."""
    order = WorkOrder.from_dict(config)
    bundle = {kind: amount for kind, amount in (("CPU", order.cpus), ("GPU", order.gpus)) if amount}
    return tune.PlacementGroupFactory([bundle] * order.workers)


def _work_order(sweep: Sweep, cache: Path, run: str, trial: Assignment, workers: int, tune_id: str) -> WorkOrder:
    spec, chosen, folder = sweep.ledger.spec, trial.configuration, sweep.ledger.folder
    files = folder.remote and folder.remote.below(folder.trials.name)
    return WorkOrder(
        number=trial.number,
        trial=spec.trial(chosen.paradigm, chosen.params, chosen.seed),
        run=run,
        folder=attempt_folder(folder.trials, trial.number, tune_id),
        remote=files.explicit.url if files is not None else None,
        resume_from=trial.checkpoint,
        device="cuda" if spec.resources.gpus > 0 else "cpu",
        cache=cache,
        cpus=spec.resources.cpus,
        gpus=spec.resources.gpus,
        workers=workers,
        mps=spec.resources.mps,
    )


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

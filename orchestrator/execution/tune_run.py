"""Runs the sweep's trials with Ray Tune. Import it inside a `cluster.ray_session`: it imports Ray."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ray import tune

from orchestrator.execution import mps, worker
from orchestrator.execution.capacity import Capacity
from orchestrator.execution.cluster import NodeLost
from orchestrator.execution.interruption import handlers_kept, ignore_the_rest
from orchestrator.execution.local_ray import is_started_here, vital_processes_live
from orchestrator.execution.ray_internals import callbacks_uncounted, keys_kept, nothing_sent
from orchestrator.execution.recorder import NoProgress, Recorder
from orchestrator.execution.scheduler import ParetoHalving
from orchestrator.execution.searcher import LedgerSearch
from orchestrator.execution.work_order import WorkOrder
from orchestrator.store.attempts import attempt_folder
from orchestrator.store.logs import logging_into
from orchestrator.sweep.sweep import Assignment, Sweep
from trainables.spec import TrialSpec

Placed = Callable[[TrialSpec], TrialSpec]


def run_trials(sweep: Sweep, cache: Path, run: str, placed: Placed = lambda trial: trial) -> bool:
    """Run trials until none are left or a signal ends the run; return whether a signal did.

    `run` names the function that runs a trial; `cache` is where trials on one machine share their data. `placed` says
    in a trial's spec where workers find what it needs.
    """
    spec, folder = sweep.spec, sweep.folder
    recorder, capacity = Recorder(sweep), Capacity(spec.resources)
    tuner = tune.Tuner(
        worker.WorkerTrial,
        tune_config=tune.TuneConfig(
            search_alg=LedgerSearch(
                sweep,
                capacity,
                partial(_work_order, sweep, cache, run, placed),
                lambda: recorder.interrupted,
            ),
            scheduler=ParetoHalving(sweep, capacity, recorder.note_verdict),
            num_samples=-1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=folder.trials.name,
            storage_path=str(folder.path),
            callbacks=[recorder, NoProgress()],
            failure_config=tune.FailureConfig(max_failures=0),  # the sweep knows which trials deserve another attempt
            verbose=0,
        ),
    )
    with logging_into(folder.log, "ray"), mps.running(spec.resources):
        try:
            with handlers_kept(), callbacks_uncounted(), nothing_sent() if is_started_here() else keys_kept():
                tuner.fit()
        except Exception as error:
            if recorder.error is not None:
                raise recorder.error from None
            if not vital_processes_live():
                raise NodeLost(folder.log) from error
            raise
        finally:
            if recorder.interrupted:
                ignore_the_rest()
    return recorder.interrupted


def _work_order(
    sweep: Sweep, cache: Path, run: str, placed: Placed, trial: Assignment, workers: int, tune_id: str
) -> WorkOrder:
    spec, chosen, folder = sweep.spec, trial.configuration, sweep.folder
    files = folder.remote and folder.remote.below(folder.trials.name)
    return WorkOrder(
        number=trial.number,
        owner=replace(sweep.ledger.owner(trial.number), epoch=0),
        trial=placed(spec.trial(chosen.paradigm, chosen.params, chosen.seed)),
        run=run,
        folder=attempt_folder(folder.trials, trial.number, tune_id),
        remote=files.explicit.url if files is not None else None,
        resume_from=trial.checkpoint,
        device="cuda" if spec.resources.share > 0 else "cpu",
        cache=cache,
        cpus=spec.resources.cpus,
        gpus=spec.resources.share,
        workers=workers,
        mps=spec.resources.mps,
    )

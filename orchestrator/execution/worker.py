"""What Ray Tune calls in a worker process to run one trial."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

from orchestrator.execution import ray_internals
from orchestrator.execution.trial_context import WorkerContext, run, tell
from orchestrator.execution.trial_log import heard_in
from orchestrator.execution.work_order import WorkOrder
from orchestrator.store.attempts import TRIAL_LOG
from trainables.spec import TrialSpec


def train(config: dict[str, Any]) -> None:
    """Run one trial. Ray Tune calls this in a worker process, which earlier trials may have used."""
    order = WorkOrder.from_dict(config)
    context = WorkerContext.of(order)
    try:
        with context.files.texts_of(context.folder), heard_in(context.folder / TRIAL_LOG):
            if order.workers > 1:
                from orchestrator.execution.group import lead  # imports torch

                lead(order)
            else:
                run(order, context)
    except Exception as error:
        tell(error)
        raise  # so that Ray ends this process: a CUDA error makes it unusable, and the next trial needs its memory


class WorkerTrial(ray_internals.stepwise(train)):  # type: ignore[misc]  # the class is made while the program runs
    """A trial in its worker, as Ray Tune drives it: each call runs it up to its next report.

    Ray Tune asks once more after the last report whether there is another. Here the call for a report of the whole
    budget waits for what follows: where that is the end, the report says so itself, which saves a call per trial.
    """

    _next: Callable[[], dict[str, Any]] | None = None
    """Gives what followed a report of the whole budget, where that was not the end."""

    def step(self) -> dict[str, Any]:
        following, self._next = self._next, None
        report: dict[str, Any] = following() if following is not None else super().step()
        if report.get(_FIDELITY) == 1:
            self._look_ahead(report)
        return report

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._next = None
        return bool(super().reset_config(new_config))

    def _look_ahead(self, report: dict[str, Any]) -> None:
        try:
            following = super().step()
        except Exception as error:  # noqa: BLE001 - the next step raises it
            self._next = partial(_raise, error)
        else:
            if not ray_internals.ends(following, report):
                self._next = lambda: following


_FIDELITY: Final = "fidelity"
"""The key under which a report has the share of the budget that is spent; see `EpochReport`."""


def _raise(error: Exception) -> NoReturn:
    raise error


def run_in_torch(spec: TrialSpec, context: WorkerContext) -> None:
    """Run a trial with as many threads as it has processors, unaffected by earlier trials of this process.

    Random states are seeded, and process-wide settings that a plug-in changes are restored after its trial.
    """
    import numpy as np
    import torch

    from trainables.process import settings_kept
    from trainables.trial import run_trial

    torch.set_num_threads(max(1, math.floor(context.cpus)))
    if 0 < context.gpus < 1:
        torch.cuda.set_per_process_memory_fraction(context.gpus)  # otherwise the first trial could take it all
    random.seed(spec.seed)
    np.random.seed(spec.seed)
    try:
        with settings_kept():
            run_trial(spec, context)
    finally:
        if context.device == "cuda":
            torch.cuda.empty_cache()

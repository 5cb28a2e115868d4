"""The functions that Ray Tune calls in a worker process to run one trial."""

import math
import random
from typing import Any

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

"""Work orders for tests, and Ray Tune's trials that carry them without being run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.execution.tune_trial import OrderedTrial
from orchestrator.execution.work_order import WorkOrder
from orchestrator.store.checkpoints import Owner
from orchestrator.sweep.sweep import Assignment, Sweep
from tests.orchestrator.small import study

OWNER = Owner("small", 3, "0123456789abcdef", 0)


def order_in(store: Path, **changes: Any) -> WorkOrder:
    """Return the order of a toy trial whose files lie in `store`; any field can differ."""
    order = WorkOrder(
        number=OWNER.trial,
        owner=OWNER,
        trial=study().trial("magnitude", {"sparsity": 0.5}, seed=7),
        run="tests.orchestrator.runs:toy",
        folder=store / "00003-1",
        remote=None,
        resume_from=None,
        device="cpu",
        cache=store,
        cpus=1.0,
        gpus=0.0,
        workers=1,
        mps=False,
    )
    return replace(order, **changes)


def tune_trial(sweep: Sweep, assigned: Assignment, **changes: Any) -> OrderedTrial:
    """Return a trial that a sweep has handed out as Ray Tune's callbacks and schedulers get it; nothing runs it."""
    chosen, trials = assigned.configuration, sweep.folder.trials
    order = order_in(
        trials,
        number=assigned.number,
        owner=sweep.ledger.owner(assigned.number),
        trial=sweep.spec.trial(chosen.paradigm, chosen.params, chosen.seed),
        folder=trials / f"{assigned.number:05d}-1",
        **changes,
    )
    return OrderedTrial(order, OrderedTrial.generate_id(), storage=None)

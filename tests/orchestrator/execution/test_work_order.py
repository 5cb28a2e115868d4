"""A work order reaches the workers as it was given, through what Ray Tune can carry."""

import json
from pathlib import Path

import pytest

from orchestrator.execution.work_order import WorkOrder
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import Owner
from tests.orchestrator.small import study


@pytest.mark.parametrize("resume_from", [None, CheckpointRef("00003-abc", "checkpoint_000001")])
def test_an_order_survives_json(resume_from: CheckpointRef | None) -> None:
    order = WorkOrder(
        number=3,
        owner=Owner("small", 3, "0123456789abcdef", 0),
        trial=study().trial("magnitude", {"sparsity": 0.5, "stream": True}, seed=7),
        run="somewhere:run",
        folder=Path("/store/trials/00003-def"),
        remote=None,
        resume_from=resume_from,
        device="cpu",
        cache=Path("/store/data"),
        cpus=0.5,
        gpus=0.0,
        workers=2,
        mps=False,
    )
    assert WorkOrder.from_dict(json.loads(json.dumps(order.as_dict()))) == order

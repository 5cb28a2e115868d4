"""A work order reaches the workers as it was given, through what Ray Tune can carry."""

import json
from pathlib import Path

import pytest

from orchestrator.execution.work_order import WorkOrder
from orchestrator.store.attempts import CheckpointRef
from tests.orchestrator.execution.orders import order_in
from tests.orchestrator.small import study


@pytest.mark.parametrize("resume_from", [None, CheckpointRef("00003-abc", "checkpoint_000001")])
def test_an_order_survives_json(resume_from: CheckpointRef | None) -> None:
    trial = study().trial("magnitude", {"sparsity": 0.5, "stream": True}, seed=7)
    order = order_in(Path("/store"), trial=trial, resume_from=resume_from, cpus=0.5, workers=2)
    assert WorkOrder.from_dict(json.loads(json.dumps(order.as_dict()))) == order

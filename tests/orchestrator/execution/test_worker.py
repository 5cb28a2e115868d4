"""A worker process runs one trial after another, and none of them affects the next."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.execution.trial_context import FAILURE, WorkerContext
from orchestrator.execution.worker import run_in_torch, train
from orchestrator.store.attempts import TRIAL_LOG
from tests.orchestrator.execution.orders import order_in
from tests.orchestrator.small import study


def test_a_quiet_trial_reports_its_epochs_and_leaves_no_log(tmp_path: Path, told: list[dict[str, Any]]) -> None:
    order = order_in(tmp_path)
    train(order.as_dict())
    assert [report["epoch"] for report in told] == [1, 2, 3, 4]
    assert not (order.folder / TRIAL_LOG).exists()


def test_a_trial_that_raises_tells_why_leaves_its_traceback_and_ends_the_process(
    tmp_path: Path, told: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    order = order_in(
        tmp_path, run="tests.orchestrator.runs:talking", trial=study().trial("magnitude", {"sparsity": 0.1}, seed=7)
    )
    with capfd.disabled(), pytest.raises(ValueError, match="unlucky"):
        train(order.as_dict())
    *_, epoch, last = told
    assert epoch["epoch"] == 1
    assert last == {FAILURE: ("error", "ValueError: unlucky")}
    log = (order.folder / TRIAL_LOG).read_text()
    assert "epoch 2 begins" in log
    assert "printed" in log
    assert log.rstrip().endswith("ValueError: unlucky")
    assert "in _give_up" in log


def test_a_trial_draws_the_same_whatever_ran_before_it_in_its_process(
    tmp_path: Path, told: list[dict[str, Any]]
) -> None:
    drawn = []

    def run(name: str) -> None:
        plain = study(data={"name": "digits", "subset": 100}, model={"name": "mlp"}, paradigms={"dense": {}}, epochs=1)
        spec = plain.trial("dense", {}, seed=7)
        run_in_torch(spec, WorkerContext.of(order_in(tmp_path / name, trial=spec)))
        measured = {name: value for name, value in told[-1]["metrics"].items() if name != "train_seconds"}
        drawn.append((random.random(), np.random.random(), measured))

    run("first")
    random.random()
    np.random.random()
    torch.rand(7)
    run("again")
    assert drawn[0] == drawn[1]

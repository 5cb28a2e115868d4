"""A worker process runs one trial after another, and none of them affects the next."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ray import tune

from orchestrator.execution.trial_context import FAILURE
from orchestrator.execution.work_order import WorkOrder
from orchestrator.execution.worker import run_in_torch, train
from orchestrator.store.attempts import TRIAL_LOG
from orchestrator.store.checkpoints import Owner
from tests.conftest import MemoryContext
from tests.orchestrator.small import study


def order_in(folder: Path, name: str, sparsity: float = 0.5) -> WorkOrder:
    return WorkOrder(
        number=3,
        owner=Owner("small", 3, "0123456789abcdef", 0),
        trial=study().trial("magnitude", {"sparsity": sparsity}, seed=7),
        run=f"tests.orchestrator.runs:{name}",
        folder=folder / "00003-1",
        remote=None,
        resume_from=None,
        device="cpu",
        cache=folder,
        cpus=1.0,
        gpus=0.0,
        workers=1,
        mps=False,
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What reaches Ray Tune, which takes reports only in a run of its own."""
    reports: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", reports.append)
    return reports


def test_a_quiet_trial_reports_its_epochs_and_leaves_no_log(tmp_path: Path, told: list[dict[str, Any]]) -> None:
    order = order_in(tmp_path, "toy")
    train(order.as_dict())
    assert [report["epoch"] for report in told] == [1, 2, 3, 4]
    assert not (order.folder / TRIAL_LOG).exists()


def test_a_trial_that_raises_tells_why_leaves_its_traceback_and_ends_the_process(
    tmp_path: Path, told: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
) -> None:
    order = order_in(tmp_path, "talking", sparsity=0.1)
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


def test_a_trial_draws_the_same_whatever_ran_before_it_in_its_process(tmp_path: Path) -> None:
    drawn = []

    def run(name: str) -> None:
        plain = study(data={"name": "digits", "subset": 100}, model={"name": "mlp"}, paradigms={"dense": {}}, epochs=1)
        spec = plain.trial("dense", {}, seed=7)
        context = Context(tmp_path / name)
        run_in_torch(spec, context)  # type: ignore[arg-type]  # a trial needs no more of a context
        drawn.append((random.random(), np.random.random(), context.reports[-1].metrics))

    run("first")
    random.random()
    np.random.random()
    torch.rand(7)
    run("again")
    assert drawn[0] == drawn[1]


class Context(MemoryContext):
    """A context in memory of a worker that has one processor and no GPU."""

    cpus = 1.0
    gpus = 0.0

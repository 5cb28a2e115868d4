"""What a study's task and its network, objectives and data do not fit in is found before its first trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from pyarrow import csv
from torch import Tensor

from orchestrator.search.network_check import NetworkCheck
from orchestrator.search.task_check import TaskCheck
from tests.orchestrator import small
from tests.trainables.stages import a_trial
from trainables import data
from trainables.errors import InvalidValue
from trainables.metrics import Direction
from trainables.tasks.base import Task

HERE = "tests.orchestrator.search.test_task_check"


class Worst(Task):
    """Judges by the largest error, as a user's task may."""

    metrics: ClassVar[Mapping[str, Direction]] = {"worst": "minimize", "hits": "maximize"}
    selects: ClassVar[str] = "worst"
    outputs: ClassVar[int | None] = 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.squeeze(1) - targets).square()

    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        errors = (outputs.squeeze(1) - targets).abs()
        return {"worst": float(errors.max()), "hits": float((errors < 1).float().mean())}


class OfWholeBatches(Worst):
    """Forgets that a loss is one a sample."""

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs, targets).mean()


def check(folder: Path, objectives: Mapping[str, str], task: str = "Worst", **changes: Any) -> None:
    """Check a study of a table of numbers."""
    rows = 40
    table = pa.table({"size": [row + 0.5 for row in range(rows)], "price": [100.5 + row for row in range(rows)]})
    csv.write_csv(table, folder / "rows.csv")
    found = {"name": "tabular", "root": str(folder / "rows.csv"), "options": {"target": "price", "features": ["size"]}}
    spec = small.study(
        data=found,
        model={"name": "mlp"},
        paradigms={"dense": {}},
        task=f"{HERE}:{task}",
        objectives=objectives,
        **changes,
    )
    NetworkCheck(spec).require_work()


@pytest.mark.parametrize(
    "objectives",
    [
        {"worst": "minimize", "macs": "minimize"},
        {"macs": "minimize", "worst": "minimize", "hits": "maximize"},
        {"worst": "minimize", "loss": "minimize"},
    ],
)
def test_a_study_that_names_what_its_task_selects_by_first_is_fine(
    tmp_path: Path, objectives: Mapping[str, str]
) -> None:
    check(tmp_path, objectives, constraints={"hits": ">= 0.1"})


@pytest.mark.parametrize(
    ("objectives", "key", "message"),
    [
        (
            {"hits": "maximize", "worst": "minimize"},
            "task",
            "selects by worst: name it before other metrics of the task",
        ),
        ({"worst": "maximize"}, "objectives.worst", f"must be minimize, as {HERE}:Worst says"),
        ({"worst": "minimize", "wost": "minimize"}, "objectives.wost", "but worst: minimize, hits: maximize"),
    ],
)
def test_what_the_study_names_otherwise_than_its_task_is_refused_with_what_the_task_says(
    tmp_path: Path, objectives: Mapping[str, str], key: str, message: str
) -> None:
    with pytest.raises(InvalidValue, match=message) as refused:
        check(tmp_path, objectives)
    assert refused.value.key == key


def test_a_constraint_on_what_the_task_does_not_measure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="does not measure it") as refused:
        check(tmp_path, {"worst": "minimize"}, constraints={"misses": "<= 3"})
    assert refused.value.key == "constraints.misses"


def test_a_task_is_tried_on_what_the_network_gives(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="its loss must be one a sample"):
        check(tmp_path, {"worst": "minimize"}, task="OfWholeBatches")


def test_a_network_with_outputs_of_another_task_is_refused(tmp_path: Path) -> None:
    spec = small.study().model_copy(update={"task": "language_modeling"})
    with pytest.raises(InvalidValue, match=r"must give outputs \[2, 10, 8\] for two samples of task: ") as refused:
        TaskCheck(spec, data.Facts(10, (1, 8, 8), target=(8,))).require_task(a_trial(tmp_path))
    assert (refused.value.key, refused.value.value) == ("model.name", "digits_cnn")
    TaskCheck(spec, data.Facts(10, (1, 8, 8))).require_task(a_trial(tmp_path))

"""Tasks by name and by reference: found, checked, and their losses and metrics what they say."""

import math
from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import tasks
from trainables.errors import InvalidValue
from trainables.metrics import TABLE, Direction
from trainables.tasks.base import Averaged, Task
from trainables.tasks.classification import CLASSIFICATION, smoothed
from trainables.tasks.language_modeling import LanguageModeling
from trainables.tasks.reference import try_task

HERE = "tests.trainables.tasks.test_tasks"


class Huber(Task):
    """A task as a user would write it."""

    metrics: ClassVar[Mapping[str, Direction]] = {"worst": "minimize"}
    selects: ClassVar[str] = "worst"
    outputs: ClassVar[int | None] = 1

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.huber_loss(outputs.squeeze(1), targets, reduction="none")

    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        return {"worst": float((outputs.squeeze(1) - targets).abs().max())}


class MeanAlready(Huber):
    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().loss(outputs, targets).mean()


class WithoutMeasure(Huber):
    def measure(self, outputs: Tensor, targets: Tensor) -> Mapping[str, float]:
        return {"other": super().measure(outputs, targets)["worst"]}


class SelectsNothing(Huber):
    selects: ClassVar[str] = "best"


def plain() -> int:
    return 1


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_of_our_own_selects_by_a_metric_that_it_measures_in_its_direction(name: str) -> None:
    task = tasks.find(name)
    assert task.selects == tasks.selecting(name)
    for metric, direction in task.metrics.items():
        assert (TABLE[metric].direction, name in TABLE[metric].tasks) == (direction, True)
        assert TABLE[metric].foretold == metric


def test_classification_is_torchs_cross_entropy_to_the_bit() -> None:
    logits, labels = torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    for reduction in ("sum", "mean"):
        for smoothing in (0.0, 0.1):
            expected = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction=reduction)
            assert torch.equal(smoothed(CLASSIFICATION, smoothing).reduced(logits, labels, reduction), expected)


@pytest.mark.parametrize("name", tasks.names())
def test_the_sum_of_a_batch_is_that_of_its_samples_and_splits_over_its_parts(name: str) -> None:
    task = tasks.find(name)
    assert isinstance(task, Averaged)
    outputs, targets = batch_of(name)
    whole = [*task.sums(outputs, targets), task.reduced(outputs, targets, "sum")]
    parts = [
        [*task.sums(o, t), task.reduced(o, t, "sum")] for o, t in zip(outputs.split(2), targets.split(2), strict=True)
    ]
    assert task.loss(outputs, targets).shape == (len(targets),)
    assert torch.allclose(task.loss(outputs, targets).sum(), whole[-1])
    assert torch.allclose(task.reduced(outputs, targets, "mean"), whole[-1] / len(targets))
    for total, of_parts in zip(whole, zip(*parts, strict=True), strict=True):
        assert float(total) == pytest.approx(sum(map(float, of_parts)))


def batch_of(name: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    if name == "regression":
        return torch.randn(6, 1, generator=generator), torch.randn(6, generator=generator)
    shape = (6, 5, 4) if name == "language_modeling" else (6, 5)
    targets = torch.randint(0, 5, (6, *shape[2:]), generator=generator)
    return torch.randn(shape, generator=generator), targets


def test_a_network_that_knows_nothing_of_a_text_is_as_perplexed_as_there_are_characters() -> None:
    measured = LanguageModeling().measure(torch.zeros(2, 8, 4), torch.zeros(2, 4, dtype=torch.int64))
    assert measured["perplexity"] == pytest.approx(8)
    assert measured["bits_per_character"] == pytest.approx(3)
    assert LanguageModeling().from_means([0.0, 1e4])["perplexity"] == math.inf


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("classification", torch.zeros(2), "these are numbers: set task: regression"),
        ("classification", torch.zeros(2, 3, dtype=torch.int64), "set task: language_modeling"),
        ("regression", torch.zeros(2, 3, dtype=torch.int64), "needs one number a sample"),
        ("language_modeling", torch.zeros(2, dtype=torch.int64), "needs a target at each position"),
    ],
)
def test_targets_of_another_task_are_refused(name: str, labels: Tensor, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        tasks.find(name).targets(labels)


def test_a_task_by_reference_is_found() -> None:
    task = tasks.find(f"{HERE}:Huber")
    assert (task.selects, task.direction, task.outputs) == ("worst", "minimize", 1)
    assert task.reduced(torch.zeros(2, 1), torch.tensor([0.0, 1.0]), "sum") == 0.5
    try_task("Huber", task, torch.zeros(2, 1), torch.zeros(2))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("regresion", "did you mean 'regression'"),
        ("a b:C", "must be package.module:function"),
        ("nowhere.at_all:Task", "cannot be imported"),
        (f"{HERE}:plain", "must be a class of tasks"),
        ("trainables.tasks.base:Task", "abstract"),
        (f"{HERE}:SelectsNothing", "selects best, which is none of its metrics: worst, loss"),
    ],
)
def test_what_is_no_task_is_refused_in_a_sentence(name: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as refused:
        tasks.find(name)
    assert refused.value.key == "task"


@pytest.mark.parametrize(
    ("name", "message"),
    [("MeanAlready", r"its loss must be one a sample, \[2\]"), ("WithoutMeasure", "its measure gives no worst")],
)
def test_a_task_is_tried_before_anything_starts(name: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        try_task(name, tasks.find(f"{HERE}:{name}"), torch.zeros(2, 1), torch.zeros(2))

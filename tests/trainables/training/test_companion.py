"""Companions of training: one that does nothing, and several as one."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.optim import SGD

from trainables.data.batches import Batches
from trainables.data.dataset import Split
from trainables.structure.complexity import Complexity
from trainables.training.companion import Companion, Companions
from trainables.training.epoch import Epoch, EpochResult


class Noting(Companion):
    """A companion that notes what is asked of it."""

    def __init__(
        self, name: str, notes: list[str], penalty: float | None = None, cost: Complexity | None = None
    ) -> None:
        self.name, self.notes, self._penalty, self._cost = name, notes, penalty, cost
        self.loaded: Mapping[str, Any] = {}

    def train_epoch(self, epoch: Epoch) -> EpochResult | None:
        self.notes.append(f"{self.name} train_epoch {epoch.number}")
        return None

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        self.notes.append(f"{self.name} before_forward {len(inputs)} {len(labels)}")

    def penalty(self) -> Tensor | None:
        self.notes.append(f"{self.name} penalty")
        return None if self._penalty is None else torch.tensor(self._penalty, requires_grad=True)

    def before_step(self) -> None:
        self.notes.append(f"{self.name} before_step")

    def after_step(self) -> None:
        self.notes.append(f"{self.name} after_step")

    def after_epoch(self) -> None:
        self.notes.append(f"{self.name} after_epoch")

    def finish(self) -> None:
        self.notes.append(f"{self.name} finish")

    def projected(self) -> Complexity | None:
        return self._cost

    def state_dict(self) -> dict[str, Any]:
        return {"name": self.name}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.loaded = state


def an_epoch() -> Epoch:
    images = Split(torch.zeros(2, 1, 1, 1, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    generator = torch.Generator()
    batches = Batches(
        images, (), (), batch_size=2, augment=None, channels_last=False, device="cpu", generator=generator
    )
    return Epoch(0, batches, SGD([torch.zeros(1, requires_grad=True)]), lambda _: 0.1)


class TrainsItself(Companion):
    def train_epoch(self, epoch: Epoch) -> EpochResult:
        return EpochResult(loss=0.5, images=epoch.batches.images(0), seconds=1.0)


MOMENTS: Mapping[str, Callable[[Companion], object]] = {
    "train_epoch 0": lambda companion: companion.train_epoch(an_epoch()),
    "before_forward 3 2": lambda companion: companion.before_forward(torch.zeros(3), torch.zeros(2)),
    "penalty": lambda companion: companion.penalty(),
    "before_step": lambda companion: companion.before_step(),
    "after_step": lambda companion: companion.after_step(),
    "after_epoch": lambda companion: companion.after_epoch(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_several_act_at_every_moment_in_the_order_given(moment: str) -> None:
    notes: list[str] = []
    MOMENTS[moment](Companions(Noting("a", notes), Noting("b", notes), Noting("c", notes)))
    assert notes == [f"{name} {moment}" for name in "abc"]


def test_who_came_last_finishes_first() -> None:
    notes: list[str] = []
    Companions(Noting("a", notes), Noting("b", notes), Noting("c", notes)).finish()
    assert notes == [f"{name} finish" for name in "cba"]


def test_every_moment_of_a_companion_reaches_all() -> None:
    handed_on = {name for name in vars(Companion) if not name.startswith("_")}
    assert handed_on <= vars(Companions).keys()


def test_the_first_that_trains_an_epoch_leaves_nothing_to_the_others() -> None:
    notes: list[str] = []
    together = Companions(Noting("a", notes), TrainsItself(), Noting("b", notes))
    assert together.train_epoch(an_epoch()) == EpochResult(0.5, 2, 1.0)
    assert notes == ["a train_epoch 0"]


@given(st.lists(st.none() | st.floats(-5, 5), max_size=5))
def test_penalties_add_up_and_none_is_no_penalty(given: list[float | None]) -> None:
    penalty = Companions(*(Noting("x", [], value) for value in given)).penalty()
    values = [value for value in given if value is not None]
    if not values:
        assert penalty is None
    else:
        assert penalty is not None
        assert penalty.item() == pytest.approx(sum(values), abs=1e-5)
        assert penalty.requires_grad


def test_the_first_that_knows_the_cost_to_come_is_believed() -> None:
    first, second = Complexity({}, 1), Complexity({}, 2)
    assert Companions(Noting("a", []), Noting("b", [], cost=first), Noting("c", [], cost=second)).projected() is first
    assert Companions(Noting("a", [])).projected() is None


def test_each_gets_its_own_state_back() -> None:
    saved = Companions(Noting("a", []), Noting("b", [])).state_dict()
    fresh = Noting("?", []), Noting("?", [])
    Companions(*fresh).load_state_dict(saved)
    assert [companion.loaded for companion in fresh] == [{"name": "a"}, {"name": "b"}]


def test_a_companion_that_says_nothing_changes_nothing() -> None:
    companion = Companion()
    for moment in MOMENTS.values():
        assert moment(companion) is None
    companion.load_state_dict(companion.state_dict())
    assert (companion.state_dict(), companion.projected()) == ({}, None)

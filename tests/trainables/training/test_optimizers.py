"""The optimizer of a stage, and readouts that learn at a rate of their own."""

import pytest
import torch
from torch import Tensor, nn

from trainables.spec import TrainingSpec
from trainables.training.optimizers import SHARE, grouped, learning_rate_of, optimizer_for, set_learning_rate
from trainables.training.recordable import recordable


def network() -> nn.Sequential:
    """Return layers of which the second reads out, although it is not the last that was built."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.BatchNorm1d(2))


def step(readout_lr: float, rate: float) -> list[Tensor]:
    """Return by how much a step of plain SGD changes each parameter."""
    model = network()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = optimizer_for(
        model, TrainingSpec(readout_lr=readout_lr, momentum=0.0, weight_decay=0.0), readouts={"1"}
    )
    set_learning_rate(optimizer, rate)
    model(torch.ones(5, 3).cumsum(0)).square().sum().backward()
    optimizer.step()
    return [new.detach() - old for new, old in zip(model.parameters(), before, strict=True)]


def test_optimizers_are_those_of_the_spec() -> None:
    model = network()
    sgd = optimizer_for(model, TrainingSpec(lr=0.3, momentum=0.8, weight_decay=0.01))
    assert isinstance(sgd, torch.optim.SGD)
    assert {key: sgd.defaults[key] for key in ("lr", "momentum", "nesterov", "weight_decay")} == {
        "lr": 0.3,
        "momentum": 0.8,
        "nesterov": True,
        "weight_decay": 0.01,
    }
    adamw = optimizer_for(model, TrainingSpec(optimizer="adamw", weight_decay=0.02))
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["weight_decay"] == 0.02


def test_without_momentum_there_is_nothing_for_nesterov() -> None:
    assert not optimizer_for(network(), TrainingSpec(momentum=0.0)).defaults["nesterov"]


def test_only_readouts_learn_at_their_share_of_the_rate() -> None:
    usual, slow = step(1.0, 0.1), step(0.25, 0.1)
    shares = [1, 1, 0.25, 0.25, 1, 1]
    assert all(torch.allclose(b, share * a, atol=1e-7) for a, b, share in zip(usual, slow, shares, strict=True))
    assert all(bool((change != 0).any()) for change in usual[:3])


def test_parameters_keep_their_order_by_which_checkpoints_tell_them_apart() -> None:
    model = network()
    optimizer = optimizer_for(model, TrainingSpec(readout_lr=0.5), readouts={"1"})
    listed = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert all(one is other for one, other in zip(listed, model.parameters(), strict=True))
    assert [group.get(SHARE) for group in optimizer.param_groups] == [None, 0.5, None]


def test_without_readouts_there_is_one_group_as_in_checkpoints_of_before() -> None:
    groups = optimizer_for(network(), TrainingSpec(readout_lr=0.5)).param_groups
    assert [SHARE in group for group in groups] == [False]


@pytest.mark.parametrize("readouts", [set(), {"1"}, {"0"}])
def test_the_rate_that_was_set_is_told_whatever_the_shares(readouts: set[str]) -> None:
    optimizer = optimizer_for(network(), TrainingSpec(readout_lr=0.125), readouts)
    set_learning_rate(optimizer, 0.7)
    assert learning_rate_of(optimizer) == pytest.approx(0.7)


def test_recorded_steps_read_shares_of_the_rate_where_they_find_the_rate() -> None:
    optimizer, rate = optimizer_for(network(), TrainingSpec(readout_lr=0.5), readouts={"1"}), torch.tensor(0.2)
    with recordable(optimizer, rate):
        first, second, third = (group["lr"] for group in optimizer.param_groups)
        assert first is rate
        assert third is rate
        assert torch.equal(second, torch.tensor(0.1))
    assert [group["lr"] for group in optimizer.param_groups] == [0.1] * 3


def test_named_parameters_of_a_kind_that_follow_each_other_are_a_group() -> None:
    named = [("a.weight", torch.ones(1)), ("b.weight", torch.ones(2)), ("b.bias", torch.ones(3)), ("", torch.ones(4))]
    groups = grouped(named, {"b"}, 0.1)
    assert [[len(parameter) for parameter in group["params"]] for group in groups] == [[1], [2, 3], [4]]
    assert [group.get(SHARE) for group in groups] == [None, 0.1, None]

"""The controller of gates: chances, slopes, and what pulls it to a budget from both sides."""

import math

import pytest
import torch

from trainables.gates.controller import SLACK, Controller, distance, hard_gates, soft_gates


def slope(share: float, target: float = 0.5) -> float:
    value = torch.tensor(share, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(distance(value, target), value)
    return float(found)


def test_a_gate_is_open_with_the_chance_that_gumbel_s_distribution_gives_its_logit() -> None:
    generator = torch.Generator().manual_seed(0)
    for logit in (-1.0, 0.0, 0.5):
        gates = soft_gates(torch.full((20_000,), logit - 2.0), 2.0, 0.4, generator)
        chance = 1 - math.exp(-math.exp(logit))
        assert (gates > 0.5).double().mean().item() == pytest.approx(chance, abs=0.015)


def test_hard_gates_are_zero_or_one_and_have_the_slope_of_soft_ones() -> None:
    soft = torch.tensor([0.1, 0.49, 0.51, 0.9], requires_grad=True)
    hard = hard_gates(soft)
    assert hard.tolist() == [0, 0, 1, 1]
    (slopes,) = torch.autograd.grad((hard * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum(), soft)
    assert slopes.tolist() == [1, 2, 3, 4]


def test_hard_gates_are_exact_whatever_the_soft_ones() -> None:
    soft = torch.rand(10_000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(hard_gates(soft), (soft > 0.5).float())


def test_a_share_is_pulled_down_from_above_its_target_and_up_from_below() -> None:
    assert slope(0.8) == pytest.approx(1 / 0.8)
    assert slope(0.2) == pytest.approx(-1 / 0.2)
    assert slope(0.5 + 0.9 * SLACK) == slope(0.5 - 0.9 * SLACK) == 0
    twice, half = (distance(torch.tensor(share, dtype=torch.float64), 0.4) for share in (0.8, 0.2))
    assert float(twice) == pytest.approx(float(half)) == pytest.approx(math.log(2))


@pytest.mark.parametrize("target", [1e-6, 1.0])
def test_targets_at_either_end_have_a_finite_distance(target: float) -> None:
    for share in (0.0, target, 1.0):
        assert math.isfinite(float(distance(torch.tensor(share, dtype=torch.float64), target)))


def test_the_inputs_are_orthogonal_and_stay_as_they_are() -> None:
    controller = Controller([3, 5, 2])
    assert controller().shape == (10,)
    rows = controller.inputs.squeeze(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(3))
    assert "inputs" not in dict(controller.named_parameters())

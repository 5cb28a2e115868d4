"""Moments of weights over the end of training, and what is drawn from them."""

import copy

import pytest
import torch
from torch import nn

from trainables.training.moments import Moments, WatchesWeights


def walk(model: nn.Module, watching: WatchesWeights, steps: int, seed: int = 0) -> list[torch.Tensor]:
    """Move the weights at random; return those after each step."""
    dice, seen = torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=dice))
        watching.after_step()
        seen.append(next(model.parameters()).detach().clone())
    return seen


def test_they_are_mean_and_variance_of_the_steps_in_the_window() -> None:
    model = nn.Linear(3, 2)
    watching = WatchesWeights(model, begin=4)
    seen = torch.stack(walk(model, watching, 10)[4:]).double()
    moments = watching.moments()
    assert moments is not None
    assert torch.allclose(moments.mean["weight"].double(), seen.mean(0), atol=1e-6)
    assert torch.allclose(moments.variance["weight"].double(), seen.var(0, correction=0), atol=1e-6)


def test_before_the_window_there_are_none() -> None:
    model = nn.Linear(3, 2)
    watching = WatchesWeights(model, begin=4)
    walk(model, watching, 4)
    assert watching.moments() is None


def test_an_interrupted_stage_keeps_the_same_moments_bit_for_bit() -> None:
    whole, parts = nn.Linear(3, 2), nn.Linear(3, 2)
    parts.load_state_dict(whole.state_dict())
    one = WatchesWeights(whole, begin=2)
    walk(whole, one, 5, seed=1)
    walk(whole, one, 3, seed=2)
    first, second = WatchesWeights(parts, begin=2), WatchesWeights(parts, begin=2)
    walk(parts, first, 5, seed=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    walk(parts, second, 3, seed=2)
    together, resumed = one.moments(), second.moments()
    assert together is not None
    assert resumed is not None
    assert all(torch.equal(together.mean[name], resumed.mean[name]) for name in ("weight", "bias"))
    assert all(torch.equal(together.variance[name], resumed.variance[name]) for name in ("weight", "bias"))


def test_drawn_weights_are_spread_by_the_variance_and_masks_hold() -> None:
    model, mask = nn.Linear(300, 100), (torch.arange(30_000).view(100, 300) % 3 > 0).float()
    shapes = {name: torch.ones_like(parameter) for name, parameter in model.named_parameters()}
    moments = Moments(
        {name: 2 * one for name, one in shapes.items()}, {name: 0.04 * one for name, one in shapes.items()}
    )
    moments.draw(model, {"weight": mask}, 0.25, torch.Generator().manual_seed(0))
    weight = model.weight.detach()
    alive = weight[mask.bool()]
    assert alive.mean().item() == pytest.approx(2, abs=0.01)
    assert alive.std().item() == pytest.approx(0.1, rel=0.03)
    assert float(weight[~mask.bool()].abs().max()) == 0


def test_what_has_changed_its_shape_stays_as_it_is() -> None:
    model = nn.Linear(3, 2)
    before = model.weight.detach().clone()
    Moments({"weight": torch.zeros(1, 3)}, {"weight": torch.ones(1, 3)}).draw(model, {}, 1.0, torch.Generator())
    assert torch.equal(model.weight, before)

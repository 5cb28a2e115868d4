"""The joint fixed point on a small network that has learned one thing: which half of an image is bright."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import models
from trainables.corruption.draws import Draws
from trainables.evaluation.adversarial import Target, pgd
from trainables.evaluation.joint_attack import JointSearch, jiio
from trainables.models.deq import EquilibriumNetwork

RADIUS = 0.1
LABELS = torch.arange(40) % 2
PIXELS = torch.rand(40, 1, 4, 4, generator=torch.Generator().manual_seed(0))
PIXELS[LABELS == 0, :, :2] *= 0.4
PIXELS[LABELS == 1, :, 2:] *= 0.4
START = Draws(0, torch.arange(40))


@pytest.fixture(scope="module")
def target() -> Target:
    torch.manual_seed(0)
    model = models.build("deq", classes=2, input_shape=(1, 4, 4), options={"channels": 8, "stride": 1})
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    trained = Target(model, (0.4,), (0.3,))
    for _ in range(15):
        optimizer.zero_grad()
        F.cross_entropy(trained.logits(PIXELS), LABELS).backward()
        optimizer.step()
    model.eval()
    return trained


def attacked(target: Target, search: JointSearch, radius: float = RADIUS) -> Tensor:
    assert isinstance(target.model, EquilibriumNetwork)
    return jiio(target.model, target.normalised, PIXELS, LABELS, radius, search, START)


def loss(target: Target, pixels: Tensor) -> float:
    with torch.no_grad():
        return float(F.cross_entropy(target.logits(pixels), LABELS))


def test_pixels_stay_in_the_ball_and_between_0_and_1(target: Target) -> None:
    moved = attacked(target, JointSearch())
    assert (moved - PIXELS).abs().max() <= RADIUS + 1e-6
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1


def test_the_loss_rises_nearly_as_high_as_by_an_equilibrium_for_each_step(target: Target) -> None:
    clean, joint = loss(target, PIXELS), loss(target, attacked(target, JointSearch()))
    steps = loss(target, pgd(target, PIXELS, LABELS, RADIUS, 10, START))
    assert joint > clean
    assert joint - clean > 0.9 * (steps - clean)


def test_no_radius_moves_nothing(target: Target) -> None:
    assert torch.allclose(attacked(target, JointSearch(), 0.0), PIXELS)


def test_the_weights_get_no_gradients(target: Target) -> None:
    target.model.zero_grad()
    attacked(target, JointSearch(iterations=3))
    assert all(parameter.grad is None for parameter in target.model.parameters())

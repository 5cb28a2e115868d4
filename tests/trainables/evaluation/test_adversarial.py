"""Attacks on networks whose weak spots are known."""

import pytest
import torch
from torch import Tensor, nn

from trainables.corruption.draws import Draws
from trainables.data.dataset import Split
from trainables.evaluation.adversarial import Target, accuracies_under_attack, fgsm, pgd
from trainables.evaluation.distributions import Sample

RADIUS = 0.1
IMAGES = torch.full((40, 1, 2, 2), 128, dtype=torch.uint8)
SAMPLE = Sample(Split(IMAGES, torch.zeros(40, dtype=torch.int64)), torch.arange(40), 0)
LABELS, PIXELS, DRAWS = SAMPLE.split.labels, IMAGES.float() / 255, Draws(0, SAMPLE.numbers)


def linear(margin: float) -> Target:
    """Return a network that calls an image 0 if its mean is above 128 / 255 - margin."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    layer = model[1]
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.25] * 4, [-0.25] * 4]) * 20)
        layer.bias.copy_(torch.tensor([-1.0, 1.0]) * 20 * (128 / 255 - margin))
    return Target(model.eval(), (0.0,), (1.0,))


class Rounded(nn.Module):
    """The same network behind a step whose slope is zero nearly everywhere."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model((images * 50).round() / 50)
        return logits


def test_a_linear_network_falls_once_its_margin_is_within_the_radius() -> None:
    assert set(accuracies_under_attack(linear(0.12), None, SAMPLE, RADIUS).values()) == {1.0}
    assert set(accuracies_under_attack(linear(0.08), None, SAMPLE, RADIUS).values()) == {0.0}


def test_attacked_images_stay_within_the_radius_and_among_pixels() -> None:
    target, bright = linear(0.05), PIXELS * 0 + 0.98
    for attacked in (fgsm(target, bright, LABELS, RADIUS), pgd(target, bright, LABELS, RADIUS, 5, DRAWS)):
        assert (attacked - bright).abs().max() <= RADIUS + 1e-6
        assert 0 <= float(attacked.min()) <= float(attacked.max()) <= 1


def test_more_steps_do_not_lower_the_loss_that_is_reached() -> None:
    target = linear(0.12)
    few, many = (target.logits(pgd(target, PIXELS, LABELS, RADIUS, n, DRAWS))[:, 1].mean() for n in (2, 20))
    assert many >= few


def test_a_masked_gradient_is_found_by_images_made_for_another_network() -> None:
    honest = linear(0.05)
    hidden = Target(Rounded(honest.model), honest.mean, honest.std)
    measured = accuracies_under_attack(hidden, honest, SAMPLE, RADIUS)
    assert measured["pgd20"] > 0.9
    assert measured["transfer"] == 0


def test_pixels_are_normalised_as_in_training() -> None:
    plain = linear(0.05)
    scaled = Target(plain.model, (0.5,), (0.25,))
    assert torch.allclose(scaled.logits(PIXELS), plain.logits((PIXELS - 0.5) / 0.25))


def test_weights_are_neither_changed_nor_given_gradients() -> None:
    target = linear(0.08)
    before = [parameter.clone() for parameter in target.model.parameters()]
    accuracies_under_attack(target, None, SAMPLE, RADIUS)
    assert all(torch.equal(a, b) for a, b in zip(before, target.model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in target.model.parameters())


@pytest.mark.parametrize("count", [1, 39])
def test_the_number_of_images_does_not_matter(count: int) -> None:
    some = Sample(Split(IMAGES[:count], LABELS[:count]), torch.arange(count), 0)
    assert accuracies_under_attack(linear(0.08), None, some, RADIUS)["pgd20"] == 0

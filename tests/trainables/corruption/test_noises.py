"""Noise: its mean and its deviation are those of the definitions."""

import numpy as np
import pytest
import torch
from scipy import stats

from trainables.corruption import noises
from trainables.corruption.draws import Draws

GREY = torch.full((40, 3, 16, 16), 102 / 255)
DRAWS = Draws(0, torch.arange(40))


def test_normal_noise_has_its_deviation() -> None:
    added = (noises.gaussian_noise(GREY, DRAWS, 0.08) - GREY).double()
    assert added.mean().item() == pytest.approx(0, abs=1e-3)
    assert added.std().item() == pytest.approx(0.08, rel=0.02)
    speckled = (noises.speckle_noise(GREY, DRAWS, 0.2) - GREY).double()
    assert speckled.std() == pytest.approx(0.2 * 0.4, rel=0.02)


def test_uniform_noise_stays_within_its_radius() -> None:
    added = noises.uniform_noise(GREY, DRAWS, 0.1) - GREY
    assert added.abs().max() <= 0.1
    assert added.double().std() == pytest.approx(0.1 / 3**0.5, rel=0.02)


def test_impulses_hit_their_share_and_are_black_as_often_as_white() -> None:
    hit = noises.impulse_noise(GREY, DRAWS, 0.05)
    black, white = (hit == 0).double().mean().item(), (hit == 1).double().mean().item()
    assert [black, white] == pytest.approx([0.025, 0.025], rel=0.15)
    assert (hit == GREY).double().mean() == pytest.approx(1 - black - white)


def test_photons_are_counted_as_numpy_counts_them() -> None:
    counted = noises.shot_noise(GREY, DRAWS, 75.0).numpy()
    expected = np.random.default_rng(0).poisson(0.4 * 75, GREY.shape) / 75
    assert counted.mean() == pytest.approx(expected.mean(), rel=0.01)
    assert counted.std() == pytest.approx(expected.std(), rel=0.03)
    assert noises.shot_noise(torch.zeros_like(GREY), DRAWS, 75.0).max() == 0


def test_without_strength_nothing_changes() -> None:
    for noise in (noises.gaussian_noise, noises.speckle_noise, noises.uniform_noise, noises.impulse_noise):
        assert torch.equal(noise(GREY, DRAWS, 0.0), GREY)


@pytest.mark.parametrize("photons", [500.0, 50.0, 3.0])
@pytest.mark.parametrize("level", [3, 102, 255])
def test_counts_of_photons_are_distributed_as_poisson_says(photons: float, level: int) -> None:
    pixels = torch.full((40, 3, 16, 16), level / 255)
    counts = (noises.shot_noise(pixels, DRAWS, photons) * photons).round().flatten().numpy()
    rate = photons * level / 255
    for count in stats.poisson.ppf([0.1, 0.5, 0.9], rate):
        assert (counts <= count).mean() == pytest.approx(stats.poisson.cdf(count, rate), abs=0.01)


def test_noise_differs_between_pixels_channels_and_kinds() -> None:
    added = noises.gaussian_noise(GREY, DRAWS, 0.1) - GREY
    assert len(added.unique()) > 10_000
    speckled = (noises.speckle_noise(GREY, DRAWS, 0.1) - GREY) / GREY
    assert abs(torch.corrcoef(torch.stack([added.flatten(), speckled.flatten()]))[0, 1]) < 0.02


def test_impulses_at_full_share_leave_nothing_but_black_and_white() -> None:
    hit = noises.impulse_noise(GREY, DRAWS, 1.0)
    assert set(hit.unique().tolist()) == {0.0, 1.0}

"""Weather: fractals, flakes and drops are where they should be, and without strength nothing changes."""

import colorsys

import pytest
import torch

from tests.trainables.corruption.pictures import floats
from trainables.corruption import weather
from trainables.corruption.draws import Draws

IMAGES, DRAWS = floats(), Draws(0, torch.arange(12))


def test_a_fractal_fills_its_range_and_is_smoother_the_faster_it_decays() -> None:
    rough, smooth = (weather.plasma(DRAWS, 32, 48, decay) for decay in (1.75, 3.0))
    assert rough.shape == (12, 1, 32, 48)
    assert (rough.min().item(), rough.max().item()) == (0, 1)
    assert smooth.diff(dim=3).abs().mean() < rough.diff(dim=3).abs().mean()
    assert not torch.equal(rough[0], rough[1])


def test_fog_keeps_the_brightest_value_and_lowers_contrast() -> None:
    foggy = weather.fog(IMAGES, DRAWS, 1.0, 2.0)
    assert torch.all(foggy.amax((1, 2, 3)) <= IMAGES.amax((1, 2, 3)) + 1e-6)
    assert foggy.mean() > IMAGES.mean()


def test_a_black_picture_survives() -> None:
    for corrupted in (weather.fog(0 * IMAGES, DRAWS, 0.0, 2.0), weather.brightness(0 * IMAGES, 0.0)):
        assert torch.equal(corrupted, 0 * IMAGES)


def test_snow_falls_in_white_flakes() -> None:
    snowy = weather.snow(IMAGES, DRAWS, 0.1, 0.2, 1.0, 0.5, 10, 4, 1.0)
    fallen = snowy - IMAGES
    assert torch.allclose(fallen[:, 0], fallen[:, 2], atol=1e-5)
    assert fallen.min() > -1e-6
    assert 0.05 < float((fallen > 0.01).float().mean()) < 0.9


@pytest.mark.parametrize("muddy", [False, True])
def test_drops_cover_a_part_of_the_picture(muddy: bool) -> None:
    spattered = weather.spatter(IMAGES, DRAWS, 0.65, 0.2, 0.7, 0.69, 0.6, muddy)
    touched = ((spattered - IMAGES).abs().amax(1) > 1e-3).float().mean()
    assert 0.02 < float(touched) < 0.7
    assert (spattered.mean() < IMAGES.mean()) == muddy


def test_brightness_is_the_value_of_hsv() -> None:
    bright = weather.brightness(IMAGES, 0.2)[0, :, 3, 4].tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(*IMAGES[0, :, 3, 4].tolist())
    assert bright == pytest.approx(colorsys.hsv_to_rgb(hue, saturation, min(1, value + 0.2)), abs=1e-5)


def test_without_strength_nothing_changes() -> None:
    assert torch.allclose(weather.fog(IMAGES, DRAWS, 0.0, 2.0), IMAGES)
    assert torch.equal(weather.frost(IMAGES, DRAWS, 1.0, 0.0), IMAGES)
    assert torch.equal(weather.spatter(IMAGES, DRAWS, 0.0, 0.0, 0.7, 0.69, 0.5, False), IMAGES)
    assert torch.equal(weather.snow(IMAGES, DRAWS, 0.0, 0.0, 1.0, 0.5, 8, 3, 1.0), IMAGES)
    assert torch.allclose(weather.brightness(IMAGES, 0.0), IMAGES)


def test_a_colour_is_grey_where_images_are_not_coloured() -> None:
    assert weather.tint(weather.WATER, IMAGES).flatten().tolist() == pytest.approx(weather.WATER)
    assert len(set(weather.tint(weather.WATER, IMAGES[:, :1]).flatten().tolist())) == 1

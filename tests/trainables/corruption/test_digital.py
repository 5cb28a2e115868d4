"""Contrast, saturation, deformation, pixels and JPEG, held to other implementations."""

import colorsys
import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainables.corruption.pictures import floats, pictures
from trainables.corruption import digital
from trainables.corruption.draws import Draws

IMAGES, DRAWS = floats(), Draws(0, torch.arange(12))


def test_contrast_keeps_the_mean_of_each_channel() -> None:
    flat = digital.contrast(IMAGES, 0.3)
    assert torch.allclose(flat.mean((2, 3)), IMAGES.mean((2, 3)), atol=1e-5)
    assert torch.allclose(flat.std((2, 3)), 0.3 * IMAGES.std((2, 3)), atol=1e-5)


@pytest.mark.parametrize(("factor", "more"), [(0.3, 0.0), (2.0, 0.1)])
def test_saturation_is_that_of_hsv(factor: float, more: float) -> None:
    coloured = digital.saturate(IMAGES, factor, more)[0, :, 3, 4].tolist()
    hue, saturation, value = colorsys.rgb_to_hsv(*IMAGES[0, :, 3, 4].tolist())
    expected = colorsys.hsv_to_rgb(hue, min(1, saturation * factor + more), value)
    assert coloured == pytest.approx(expected, abs=1e-5)


def test_grey_becomes_reddish() -> None:
    grey = torch.full((1, 3, 8, 8), 0.5)
    assert digital.saturate(grey, 2.0, 0.1)[0, :, 0, 0].tolist() == pytest.approx([0.5, 0.45, 0.45])


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_that_of_pillow(channels: int) -> None:
    file, image = io.BytesIO(), pictures(2, channels=channels)[1].permute(1, 2, 0).numpy()
    Image.fromarray(image.squeeze() if channels == 1 else image).save(file, "jpeg", quality=40)
    expected = np.array(Image.open(file)).reshape(32, 32, channels)
    ours = digital.jpeg_compression(floats(2, channels=channels), 40)[1].permute(1, 2, 0) * 255
    assert np.array_equal(ours.round().numpy(), expected)


def test_a_tilt_moves_three_points_to_where_they_were_drawn() -> None:
    ramp = torch.arange(33.0).expand(12, 1, 33, 33) / 32
    rows, columns = digital._affine(ramp, DRAWS, 2.0)
    moves = (2 * DRAWS.uniform("affine", 3, 2) - 1) * 2.0
    assert rows.shape == columns.shape == (12, 33, 33)
    inside = columns[:, 16, 16] - 16
    assert torch.allclose(inside, -((moves[:, 0] + moves[:, 2]) / 2)[:, 0], atol=0.8)


def test_pushed_pixels_stay_near() -> None:
    moved = digital.elastic_transform(IMAGES, DRAWS, 2.0, 1.5, 0.0)
    assert 0.001 < float((moved - IMAGES).abs().mean()) < 0.1


def test_without_strength_nothing_changes() -> None:
    assert torch.allclose(digital.elastic_transform(IMAGES, DRAWS, 0.0, 0.0, 0.0), IMAGES, atol=1e-5)
    assert torch.allclose(digital.contrast(IMAGES, 1.0), IMAGES, atol=1e-6)
    assert torch.allclose(digital.saturate(IMAGES, 1.0, 0.0), IMAGES, atol=1e-6)
    assert torch.equal(digital.pixelate(IMAGES, 1.0), IMAGES)

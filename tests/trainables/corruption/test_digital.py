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
from trainables.corruption.resampling import blurred

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
    across, down = (ramp.expand(12, 1, 33, 33) / 32 for ramp in (torch.arange(33.0), torch.arange(33.0)[:, None]))
    sources = torch.cat([digital.elastic_transform(ramp, DRAWS, 0.0, 0.0, 2.0) * 32 for ramp in (across, down)], 1)
    moves = (2 * DRAWS.uniform("affine", 3, 2) - 1) * 2.0
    points = torch.tensor([[27.0, 27.0], [27.0, 5.0], [5.0, 5.0]])  # a third of the side from the centre
    for number in range(12):
        to, of = (torch.cat([at, torch.ones(3, 1)], 1) for at in (points + moves[number], points))
        where_from = torch.linalg.solve(to, of[:, :2])
        for row, column in ((16, 16), (10, 20), (22, 12)):
            expected = torch.tensor([float(column), float(row), 1.0]) @ where_from
            assert sources[number, :, row, column].tolist() == pytest.approx(expected.tolist(), abs=1e-3)


def test_pushed_pixels_come_from_where_smooth_noise_says() -> None:
    ramp = torch.arange(33.0).expand(12, 1, 33, 33) / 32
    noise = 2 * DRAWS.uniform("elastic_transform", 2, 33, 33) - 1
    right = blurred(noise, 1.5, cut=3, mirrored=True)[:, 1] * 3.0
    came = digital.elastic_transform(ramp, DRAWS, 3.0, 1.5, 0.0)[:, 0] * 32
    assert torch.allclose(came[:, 5:-5, 5:-5], (ramp[:, 0] * 32 + right)[:, 5:-5, 5:-5], atol=1e-4)


def test_a_picture_is_tilted_and_pushed_one_after_the_other() -> None:
    tilted = digital.elastic_transform(IMAGES, DRAWS, 0.0, 0.0, 2.0)
    both = digital.elastic_transform(IMAGES, DRAWS, 3.0, 1.5, 2.0)
    assert torch.equal(both, digital.elastic_transform(tilted, DRAWS, 3.0, 1.5, 0.0))


def test_pushed_pixels_stay_near() -> None:
    moved = digital.elastic_transform(IMAGES, DRAWS, 2.0, 1.5, 0.0)
    assert 0.001 < float((moved - IMAGES).abs().mean()) < 0.1


def test_without_strength_nothing_changes() -> None:
    assert torch.allclose(digital.elastic_transform(IMAGES, DRAWS, 0.0, 0.0, 0.0), IMAGES, atol=1e-5)
    assert torch.allclose(digital.contrast(IMAGES, 1.0), IMAGES, atol=1e-6)
    assert torch.allclose(digital.saturate(IMAGES, 1.0, 0.0), IMAGES, atol=1e-6)
    assert torch.equal(digital.pixelate(IMAGES, 1.0), IMAGES)


@pytest.mark.parametrize("share", [0.95, 0.75, 0.5, 0.1])
def test_pixels_are_boxes_of_pillow(share: float) -> None:
    image = pictures(1)[0].permute(1, 2, 0).numpy()
    side = max(1, int(32 * share))
    small = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
    expected = np.array(small.resize((32, 32), Image.Resampling.BOX))
    ours = digital.pixelate(floats(1), share)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - expected).max() <= 1.01


def test_contrast_is_each_image_s_own() -> None:
    whole = digital.contrast(IMAGES, 0.5)
    assert torch.equal(whole[3:4], digital.contrast(IMAGES[3:4], 0.5))
    assert torch.allclose(digital.contrast(IMAGES, 0.0), IMAGES.mean((2, 3), keepdim=True).expand_as(IMAGES), atol=1e-6)


def test_saturation_beyond_its_end_is_cut() -> None:
    coloured = digital.saturate(IMAGES, 20.0, 1.0)
    assert coloured.min() >= -1e-6
    assert torch.allclose(coloured.amax(1), IMAGES.amax(1), atol=1e-6)


@pytest.mark.parametrize(("better", "worse"), [(80, 40), (40, 10)])
def test_a_higher_quality_is_nearer_to_the_image(better: int, worse: int) -> None:
    near, far = ((digital.jpeg_compression(IMAGES, quality) - IMAGES).abs().mean() for quality in (better, worse))
    assert near < far

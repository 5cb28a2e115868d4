"""Blurs: brightness is kept, what is sharp is not, and without strength nothing changes."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from tests.trainables.corruption.pictures import floats
from trainables.corruption import blurs
from trainables.corruption.draws import Draws
from trainables.corruption.resampling import zoomed

IMAGES, DRAWS = floats(), Draws(0, torch.arange(12))


def point() -> torch.Tensor:
    dot = torch.zeros(12, 1, 33, 33)
    dot[:, 0, 16, 16] = 1
    return dot


def test_a_point_out_of_focus_is_a_disk() -> None:
    disk = blurs.defocus_blur(point(), 3.0, 0.1)[0, 0]
    assert disk.sum() == pytest.approx(1, abs=1e-5)
    assert int((disk > 1e-3).sum()) == 29  # points of the grid within 3 of the centre
    assert torch.allclose(disk, disk.T)


def test_a_point_in_motion_is_a_line_from_it_in_a_drawn_direction() -> None:
    lines = blurs.motion_blur(point(), DRAWS, 6.0, 3.0)[:, 0]
    assert torch.allclose(lines.sum((1, 2)), torch.ones(12), atol=1e-5)
    assert (lines[:, 16, 16] > 0.1).all()
    ends = {tuple(torch.nonzero(line > 1e-6)[0].tolist()) for line in lines}
    assert len(ends) > 3
    assert float(lines[:, :, 17:].sum()) == 0


def test_a_motion_turned_by_a_quarter_goes_up_or_down() -> None:
    upright = blurs.moved(point(), DRAWS, 6.0, 3.0, turned=-90)[:, 0]
    assert float(upright[:, :16].sum()) == 0
    assert float(upright[:, 20:].sum()) > 1


def test_a_zoom_blurs_the_edge_more_than_the_centre() -> None:
    changed = (blurs.zoom_blur(IMAGES, 1.26, 0.01) - IMAGES).abs().mean((0, 1))
    assert changed[12:20, 12:20].mean() < changed[0].mean()


def test_behind_glass_a_pixel_has_the_value_of_one_nearby() -> None:
    behind = blurs.glass_blur(IMAGES, DRAWS, 0.0, 1, 1)
    assert not torch.equal(behind, IMAGES)
    nearby = F.unfold(F.pad(IMAGES, (1, 1, 1, 1), mode="replicate"), 3).view(12, 3, 9, 32, 32)
    assert (nearby == behind[:, :, None]).any(2).all()


def test_behind_glass_pixels_are_copied_rather_than_swapped_as_in_the_published_files() -> None:
    distinct = torch.linspace(0, 1, 32 * 32).view(1, 1, 32, 32).expand(12, 1, 32, 32)
    kept = [len(one.unique()) for one in blurs.glass_blur(distinct, DRAWS, 0.0, 1, 1)]
    assert max(kept) < 0.8 * 32 * 32


def test_without_strength_nothing_changes() -> None:
    assert torch.equal(blurs.gaussian_blur(IMAGES, 0.0), IMAGES)
    assert torch.equal(blurs.defocus_blur(IMAGES, 0.0, 0.0), IMAGES)
    assert torch.equal(blurs.motion_blur(IMAGES, DRAWS, 0.0, 0.0), IMAGES)
    assert torch.equal(blurs.glass_blur(IMAGES, DRAWS, 0.0, 0, 1), IMAGES)
    assert torch.allclose(blurs.zoom_blur(IMAGES, 1.0, 0.01), IMAGES)


@pytest.mark.parametrize(("radius", "softness"), [(0.5, 0.6), (1.0, 0.2), (1.5, 0.1), (3.0, 0.5)])
def test_a_disk_out_of_focus_is_softened_over_three_pixels(radius: float, softness: float) -> None:
    reach = math.ceil(radius) + 1
    at = np.arange(-reach, reach + 1)
    disk = (np.hypot(at[:, None], at[None]) <= radius).astype(float)
    soft = ndimage.gaussian_filter(disk, softness, mode="constant", radius=1)
    images = floats(2)
    expected = ndimage.correlate(images.numpy(), (soft / soft.sum())[None, None], mode="mirror")
    assert np.abs(blurs.defocus_blur(images, radius, softness).numpy() - expected).max() < 1e-5


def test_a_zoom_blur_is_the_mean_of_enlargements_below_the_largest() -> None:
    factors = [1.0, 1.1, 1.2]
    expected = (IMAGES + sum(zoomed(IMAGES, factor) for factor in factors)) / 4
    assert torch.allclose(blurs.zoom_blur(IMAGES, 1.29, 0.1), expected, atol=1e-6)
    assert torch.allclose(blurs.zoom_blur(IMAGES, 1.21, 0.1), expected, atol=1e-6)


def test_weights_along_a_motion_fall_as_half_a_gaussian() -> None:
    lines = blurs.moved(point(), DRAWS, 4.0, 2.0, turned=0)[:, 0].double()
    shares = np.exp(-0.5 * (np.arange(9) / 2.0) ** 2)
    shares /= shares.sum()
    rows, columns = torch.meshgrid(torch.arange(33.0) - 16, torch.arange(33.0) - 16, indexing="ij")
    away = (lines * torch.hypot(rows, columns)).sum((1, 2))
    assert lines[:, 16, 16].tolist() == pytest.approx([shares[0]] * 12, abs=1e-6)
    assert away.tolist() == pytest.approx([float(shares @ np.arange(9))] * 12, abs=0.3)


def test_directions_are_within_an_eighth_of_a_circle_of_the_horizontal() -> None:
    images = torch.zeros(60, 1, 65, 65)
    images[:, 0, 32, 32] = 1
    lines = blurs.motion_blur(images, Draws(1, torch.arange(60)), 12.0, 30.0)[:, 0]
    ends = [max(torch.nonzero(line).tolist(), key=lambda at: math.hypot(at[0] - 32, at[1] - 32)) for line in lines]
    angles = [math.degrees(math.atan2(row - 32, 32 - column)) for row, column in ends]
    assert max(map(abs, angles)) <= 46
    assert min(angles) < -25
    assert max(angles) > 25


def test_pixels_behind_glass_come_from_no_further_than_its_reach_for_each_time() -> None:
    columns = torch.arange(40.0).expand(1, 1, 40, 40) / 40
    for reach, times in ((1, 1), (2, 1), (1, 3)):
        moved = (blurs.glass_blur(columns, Draws(0, torch.arange(1)), 0.0, reach, times) - columns).abs() * 40
        assert 0 < moved.max() <= reach * times * 40
        assert torch.equal(moved[..., :reach], torch.zeros_like(moved[..., :reach]))
    still = blurs.glass_blur(columns[..., :5, :5], Draws(0, torch.arange(1)), 0.0, 3, 1)
    assert torch.equal(still, columns[..., :5, :5])

"""Blurs: brightness is kept, what is sharp is not, and without strength nothing changes."""

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.corruption.pictures import floats
from trainables.corruption import blurs
from trainables.corruption.draws import Draws

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

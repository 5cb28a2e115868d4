"""Weather: fractals, flakes and drops are where they should be, and without strength nothing changes."""

import colorsys

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy import ndimage

from tests.trainables.corruption.pictures import floats
from trainables.corruption import weather
from trainables.corruption.blurs import moved
from trainables.corruption.draws import Draws
from trainables.corruption.resampling import blurred

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


def diamonds_and_squares(draws: Draws, side: int, decay: float) -> npt.NDArray[np.float64]:
    """Build the fractal of one image point by point, as Fournier et al. describe it, on a square that wraps around."""
    field = np.zeros((side, side))
    step, weight = side, 100.0
    while step >= 2:
        half, count = step // 2, side // step
        noise = [
            (2 * draws.uniform(f"plasma/{step}/{kind}", count, count)[0].numpy() - 1) * weight**2 for kind in range(3)
        ]

        def at(row: int, column: int) -> float:
            return float(field[row % side, column % side])

        places = [(r, c) for r in range(count) for c in range(count)]
        for r, c in places:
            top, left = r * step, c * step
            corners = [at(top + down, left + right) for down in (0, step) for right in (0, step)]
            field[top + half, left + half] = sum(corners) / 4 + noise[0][r, c]
        for r, c in places:
            for kind, (row, column) in ((1, (r * step, c * step + half)), (2, (r * step + half, c * step))):
                around = [
                    at(row - half, column),
                    at(row + half, column),
                    at(row, column - half),
                    at(row, column + half),
                ]
                field[row, column] = sum(around) / 4 + noise[kind][r, c]
        step, weight = half, weight / decay
    field -= field.min()
    scaled: npt.NDArray[np.float64] = field / field.max()
    return scaled


@pytest.mark.parametrize(("side", "decay"), [(4, 2.0), (8, 1.75), (16, 3.0)])
def test_a_fractal_is_that_of_diamonds_and_squares(side: int, decay: float) -> None:
    one = Draws(3, torch.tensor([7]))
    built = weather.plasma(one, side, side, decay)[0, 0].numpy()
    assert np.abs(built - diamonds_and_squares(one, side, decay)).max() < 1e-4


def test_a_fractal_for_other_sides_is_cut_from_the_next_power_of_two() -> None:
    whole = weather.plasma(DRAWS, 32, 32, 2.0)
    assert torch.equal(weather.plasma(DRAWS, 17, 20, 2.0), whole[:, :, :17, :20])
    assert weather.plasma(DRAWS, 33, 5, 2.0).shape == (12, 1, 33, 5)


def test_fog_is_a_share_of_the_image_and_of_the_fractal() -> None:
    foggy, fractal = weather.fog(IMAGES, DRAWS, 0.75, 2.5), weather.plasma(DRAWS, 32, 32, 2.5)
    for number, image in enumerate(IMAGES):
        brightest = float(image.max())
        expected = (image + 0.75 * fractal[number]) * brightest / (brightest + 0.75)
        assert torch.allclose(foggy[number], expected, atol=1e-6)


def test_frost_is_ice_beside_what_is_kept() -> None:
    ice = weather.frost(IMAGES, DRAWS, 0.0, 1.0)
    assert torch.allclose(weather.frost(IMAGES, DRAWS, 0.9, 0.4), 0.9 * IMAGES + 0.4 * ice, atol=1e-6)
    assert ice.min() >= 0
    assert ice.max() <= 1


def ices(channels: int = 3) -> torch.Tensor:
    return weather.frost(torch.zeros(1500, channels, 32, 32), Draws(0, torch.arange(1500)), 0.0, 1.0)


def test_ice_is_as_bright_and_as_uneven_as_one_of_five_photographs() -> None:
    ice = ices()
    colours = torch.tensor([crystal[:3] for crystal in weather.CRYSTALS])
    which = (ice.mean((2, 3))[:, None] - colours).square().sum(2).argmin(1)  # two of the five have the same colour
    for number, (*colour, deviation) in enumerate(weather.CRYSTALS):
        if number == 2:
            continue
        of_it = ice[which == number]
        assert len(of_it) == pytest.approx(600 if number == 1 else 300, rel=0.2)
        assert of_it.mean((0, 2, 3)).tolist() == pytest.approx(colour, abs=0.02)
        assert float(of_it.mean(1).var((1, 2)).mean().sqrt()) == pytest.approx(deviation, rel=0.1)


def test_neighbouring_pixels_of_ice_are_almost_independent() -> None:
    grey = ices().mean(1)
    steps = [float((grey[:, :, apart:] - grey[:, :, :-apart]).square().mean()) for apart in (1, 16)]
    assert 0.4 < steps[0] / steps[1] < 0.8  # 0.69 in the photographs, 0.07 in a smooth fractal


def test_ice_is_grey_where_images_are() -> None:
    assert ices(1).shape == (1500, 1, 32, 32)
    assert float(ices(1).mean()) == pytest.approx(
        float((ices() * torch.tensor(weather.GREY)[:, None, None]).sum(1).mean()), abs=0.01
    )


def test_snow_whitens_the_image_by_what_is_not_kept() -> None:
    clear = weather.snow(IMAGES, DRAWS, -9.0, 0.0, 1.0, 0.5, 8, 3, 0.8)
    grey = 0.299 * IMAGES[:, :1] + 0.587 * IMAGES[:, 1:2] + 0.114 * IMAGES[:, 2:]
    expected = 0.8 * IMAGES + 0.2 * torch.maximum(IMAGES, 1.5 * grey + 0.5)
    assert torch.allclose(clear, expected, atol=1e-5)


def test_flakes_fall_along_a_line_and_once_more_turned_by_half_a_circle() -> None:
    black = torch.zeros(12, 1, 32, 32)
    fallen = weather.snow(black, DRAWS, 0.1, 0.2, 1.0, 0.5, 8, 3, 1.0)
    layer = DRAWS.normal("snow", 1, 32, 32) * 0.2 + 0.1
    layer = torch.where(layer < 0.5, 0.0, layer).clamp(0, 1)
    flakes = moved(layer, DRAWS, 8, 3, turned=-90).clamp(0, 1)
    assert torch.allclose(fallen, flakes + flakes.rot90(2, (2, 3)), atol=1e-6)


def test_larger_flakes_come_from_a_part_of_the_layer() -> None:
    black = torch.zeros(12, 1, 32, 32)
    fine, coarse = (weather.snow(black, DRAWS, 0.1, 0.3, zoom, 0.5, 1, 0.5, 1.0) for zoom in (1.0, 2.5))
    assert coarse.diff(dim=2).abs().mean() < fine.diff(dim=2).abs().mean()


def test_mud_hides_what_is_below_and_water_brightens_it() -> None:
    muddy = weather.spatter(IMAGES, DRAWS, 0.65, 0.1, 0.7, 0.69, 0.6, True)
    mud = weather.tint(weather.MUD, IMAGES)
    apart = mud - IMAGES
    farthest = apart.abs().argmax(1, keepdim=True)
    drops = (muddy - IMAGES).gather(1, farthest) / apart.gather(1, farthest)
    assert torch.allclose(muddy, IMAGES + drops * apart, atol=1e-5)
    assert drops.max() > 0.9
    assert ((drops < 1e-4) | (drops > 0.8 - 1e-4)).all()
    added = weather.spatter(IMAGES, DRAWS, 0.65, 0.3, 1.0, 0.69, 0.5, False) - IMAGES
    assert added.min() >= -1e-6
    ratios = added / torch.tensor(weather.WATER)[None, :, None, None]
    assert torch.allclose(ratios, ratios[:, :1].expand_as(ratios), atol=1e-5)
    assert ratios.amax((1, 2, 3)).tolist() == pytest.approx([0.5] * 12, abs=1e-5)


def test_a_black_pixel_becomes_grey_when_it_brightens() -> None:
    assert torch.equal(weather.brightness(torch.zeros(1, 3, 2, 2), 0.25), torch.full((1, 3, 2, 2), 0.25))
    assert weather.brightness(torch.ones(1, 3, 2, 2), 0.25).max() == 1


def test_drops_of_water_are_lit_by_how_far_each_pixel_is_from_their_edge() -> None:
    black = torch.zeros(12, 3, 32, 32)
    liquid = blurred(DRAWS.normal("spatter", 1, 32, 32) * 0.3 + 0.65, 1.0)
    liquid = torch.where(liquid < 0.69, 0.0, liquid)
    spattered = weather.spatter(black, DRAWS, 0.65, 0.3, 1.0, 0.69, 0.5, False)
    emboss = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
    for number in range(12):
        inside = liquid[number, 0].numpy() > 0
        depth = np.minimum(ndimage.distance_transform_cdt(inside, metric="taxicab"), weather.DEEPEST).astype(float)
        light = np.maximum(ndimage.correlate(depth, emboss, mode="mirror"), 0) + inside
        drops = liquid[number, 0].numpy() * light
        expected = drops / drops.max() * 0.5 * weather.WATER[0]
        assert np.abs(spattered[number, 0].numpy() - expected).max() < 1e-5

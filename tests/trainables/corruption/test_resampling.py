"""Resampling by sums of shifted images, held to SciPy and Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from tests.trainables.corruption.pictures import floats, pictures
from trainables.corruption.resampling import AxisMap, blurred, convolved, grid, in_boxes, sampled, zoomed


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.3])
def test_a_blur_is_that_of_scipy(sigma: float) -> None:
    images = floats(2)
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="nearest")
    assert np.abs(blurred(images, sigma).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize(("side", "sigma"), [(32, 1.0), (32, 6.4), (8, 6.4)])
def test_a_blur_of_a_mirrored_image_is_that_of_scipy(side: int, sigma: float) -> None:
    images = floats(2, side=side)
    expected = ndimage.gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="reflect", truncate=3)
    assert np.abs(blurred(images, sigma, cut=3, mirrored=True).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize(("border", "mode"), [(0.0, "mirror"), (0.5, "reflect")])
def test_sampling_beyond_an_edge_is_that_of_scipy(border: float, mode: str) -> None:
    images, dice = floats(2), torch.Generator().manual_seed(1)
    rows, columns = (torch.rand(2, 2, 32, 32, generator=dice) * 40 - 4).unbind()
    for number, image in enumerate(images.numpy()):
        at = torch.stack([rows[number], columns[number]]).numpy()
        expected = np.stack([ndimage.map_coordinates(channel, at, order=1, mode=mode) for channel in image])
        assert np.abs(sampled(images, rows, columns, border)[number].numpy() - expected).max() < 1e-5


def test_a_convolution_is_that_of_scipy() -> None:
    images, kernel = floats(2), np.array([[0, 1.0, 0], [2, 0, 3], [0, 0, -1]])
    expected = ndimage.correlate(images.numpy(), kernel[None, None], mode="mirror")
    assert np.abs(convolved(images, kernel).numpy() - expected).max() < 1e-5


def test_boxes_are_those_of_pillow() -> None:
    image = pictures(1)[0]
    small = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((24, 24), Image.Resampling.BOX)
    expected = np.array(small.resize((32, 32), Image.Resampling.BOX))
    ours = in_boxes(floats(1), 0.75)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - expected).max() <= 1.01


@pytest.mark.parametrize("factor", [1.01, 1.04, 1.11, 1.2500000000000002, 1.75, 2.25])
def test_a_zoom_is_that_of_scipy_of_a_part_in_whole_pixels(factor: float) -> None:
    images = floats(2)
    kept = int(np.ceil(32 / factor))
    first = (32 - kept) // 2
    part = images.numpy()[:, :, first : first + kept, first : first + kept]
    enlarged = ndimage.zoom(part, (1, 1, factor, factor), order=1)
    cut = (enlarged.shape[2] - 32) // 2
    expected = enlarged[:, :, cut : cut + 32, cut : cut + 32]
    assert np.abs(zoomed(images, factor).numpy() - expected).max() < 1e-5


def test_a_zoom_keeps_a_constant() -> None:
    assert torch.equal(zoomed(floats(2), 1.0), floats(2))
    assert torch.allclose(zoomed(torch.full((1, 1, 9, 9), 0.3), 1.3), torch.tensor(0.3))


def test_sampling_at_the_pixels_changes_nothing_and_between_them_is_linear() -> None:
    images = floats(2, side=8)
    rows, columns = (part.expand(2, 8, 8).float() for part in grid(images))
    assert torch.equal(sampled(images, rows, columns), images)
    halfway = sampled(images, rows, columns + 0.5)[..., :-1]
    assert torch.allclose(halfway, (images[..., :-1] + images[..., 1:]) / 2)
    assert torch.equal(sampled(images, -rows, columns), images)


def test_a_map_along_an_axis_is_its_matrix() -> None:
    matrix = np.array([[0.5, 0, 0.5], [0, 2.0, 0]])
    images = floats(1, side=3, channels=1)
    expected = torch.from_numpy(matrix).float() @ images
    assert torch.allclose(AxisMap.of(matrix)(images, 2), expected)

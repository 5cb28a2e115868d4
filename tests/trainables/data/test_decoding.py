"""Image files become pixels of one form, and what cannot be decoded is told once all were tried."""

import io
from collections.abc import Sequence

import pytest
import torch
from PIL import Image

from trainables.data.decoding import Encoded, is_grey, pixels_of, shape_of
from trainables.errors import InvalidValue


@pytest.mark.parametrize(("mode", "grey"), [("L", True), ("1", True), ("LA", True), ("RGB", False), ("P", False)])
def test_images_without_colour_are_known_by_their_mode(mode: str, grey: bool) -> None:
    assert is_grey(Image.new(mode, (2, 2))) is grey


def test_colour_where_grey_is_wanted_and_pixels_that_are_no_whole_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="is in colour"):
        pixels_of(Image.new("RGB", (2, 2)), 1, None)
    with pytest.raises(ValueError, match="not whole numbers"):
        pixels_of(Image.new("F", (2, 2)), 3, None)


def test_an_image_covers_the_size_and_loses_its_edges() -> None:
    image = Image.new("L", (8, 4), 10)
    image.paste(200, (2, 0, 6, 4))
    assert int(pixels_of(image, 1, (4, 4)).min()) == 200


def encoded(files: Sequence[bytes], size: tuple[int, int] | None = None) -> Encoded:
    return Encoded(
        torch.zeros(len(files), dtype=torch.int64),
        (3, *(size or (4, 6))),
        opened=lambda number: io.BytesIO(files[number]),
        described=lambda number: f"file {number}",
        size=size,
        root="images",
    )


def png(level: int, size: tuple[int, int] = (6, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(buffer, "PNG")
    return buffer.getvalue()


def test_images_are_decoded_in_the_order_in_which_they_are_asked() -> None:
    some = encoded([png(level) for level in (10, 20, 30)])
    assert some.take([2, 0, 1])[:, 0, 0, 0].tolist() == [30, 10, 20]
    some.verify()


def test_damaged_images_are_black_until_they_are_all_told() -> None:
    damaged = encoded([png(10), b"no image", png(30)[:40]])
    assert damaged.take([0, 1, 2])[:, 0, 0, 0].tolist() == [10, 0, 0]
    with pytest.raises(InvalidValue, match=r"2 images cannot be decoded: file 1 .*file 2") as refused:
        damaged.verify()
    assert (refused.value.key, refused.value.value) == ("root", "images")


def test_another_size_is_told_unless_all_are_resized() -> None:
    files = [png(10), png(20, (5, 9))]
    odd = encoded(files)
    odd.take([0, 1])
    with pytest.raises(InvalidValue, match=r"file 0 has 4 x 6 pixels .*file 1 9 x 5"):
        odd.verify()
    resized = encoded(files, (3, 3))
    resized.take([0, 1])
    resized.verify()


def test_a_shape_is_read_from_the_header() -> None:
    assert shape_of(io.BytesIO(png(1)), 3, None) == (3, 4, 6)
    assert shape_of(io.BytesIO(b"is not opened"), 1, (7, 8)) == (1, 7, 8)

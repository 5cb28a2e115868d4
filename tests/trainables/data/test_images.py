"""Images before they are in a dataset: taken by number, in pieces, and fitted to one size."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.data.images import PIECE, Held, fitted, pieces


@given(st.integers(0, 5000), st.integers(1, 3), st.integers(1, 600))
def test_pieces_cover_all_images_once_in_order_and_none_is_too_large(count: int, channels: int, side: int) -> None:
    found = list(pieces(count, (channels, side, side)))
    assert [number for piece in found for number in range(piece.start, piece.stop)] == list(range(count))
    assert all(
        piece.stop - piece.start == 1 or (piece.stop - piece.start) * channels * side**2 <= PIECE for piece in found
    )


def test_a_single_image_that_is_larger_than_a_piece_is_a_piece() -> None:
    assert list(pieces(2, (1, PIECE, 2))) == [slice(0, 1), slice(1, 2)]


def test_images_in_memory_are_taken_by_their_numbers() -> None:
    held = Held(torch.arange(12, dtype=torch.uint8).reshape(4, 1, 1, 3), torch.arange(4))
    assert held.shape == (1, 1, 3)
    assert held.take([2, 0])[:, 0, 0, 0].tolist() == [6, 0]


@pytest.mark.parametrize("size", [(4, 4), (2, 8), (16, 6), (12, 10)])
def test_fitted_images_have_the_size_and_keep_the_middle_in_the_middle(size: tuple[int, int]) -> None:
    images = torch.zeros(1, 1, 12, 10, dtype=torch.uint8)
    images[:, :, 3:9, 2:8] = 200
    result = fitted(images, size)
    assert (result.shape, result.dtype) == ((1, 1, *size), torch.uint8)
    middle = result[0, 0, size[0] // 2 - 1 : size[0] // 2 + 1, size[1] // 2 - 1 : size[1] // 2 + 1]
    assert int(middle.min()) > 100


def test_images_of_the_right_size_are_not_touched() -> None:
    images = torch.randint(256, (2, 3, 5, 7), dtype=torch.uint8)
    assert fitted(images, (5, 7)) is images
    assert fitted(images, None) is images

"""Which images and which widths a network can take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.errors import InvalidValue
from trainables.models.limits import check_widths, require_size, scaled


@pytest.mark.parametrize(
    ("height", "width", "accepted"), [(16, 16, True), (16, 40, True), (15, 40, False), (40, 15, False)]
)
def test_the_shorter_side_counts(height: int, width: int, accepted: bool) -> None:
    if accepted:
        require_size("net", (3, height, width), 16)
        return
    with pytest.raises(InvalidValue, match=f"needs images of at least 16x16 pixels, and these have {height}x{width}"):
        require_size("net", (3, height, width), 16)


@pytest.mark.parametrize("widths", [[1], (3, 2, 1), []])
def test_widths_come_back_as_a_list(widths: list[int]) -> None:
    assert check_widths("net", widths) == list(widths)


@pytest.mark.parametrize("widths", [4, 4.0, "44", [0], [4, -1], [4.0], [True], [4, "4"]])
def test_what_is_no_list_of_widths_is_refused(widths: Any) -> None:
    with pytest.raises(InvalidValue, match="must be a list of whole numbers of at least 1, for net") as refused:
        check_widths("net", widths)
    assert (refused.value.key, refused.value.value) == ("options.widths", widths)


def test_another_number_of_widths_than_the_network_has_layers_is_refused() -> None:
    assert check_widths("net", [4, 5], 2) == [4, 5]
    with pytest.raises(InvalidValue, match="must be 2 whole numbers of at least 1, for net"):
        check_widths("net", [4, 5, 6], 2)


@given(st.floats(1e-3, 16), st.lists(st.integers(1, 600), min_size=1))
def test_scaled_channels_are_the_nearest_whole_numbers_and_never_none(width: float, channels: list[int]) -> None:
    result = scaled("net", width, channels)
    assert all(count >= 1 for count in result)
    assert all(abs(count - width * whole) <= 0.5 or count == 1 for count, whole in zip(result, channels, strict=True))


@pytest.mark.parametrize("width", [0, -0.5, 16.1, float("nan"), float("inf"), True, "1"])
def test_what_is_no_factor_is_refused(width: Any) -> None:
    with pytest.raises(InvalidValue, match="must be a factor above 0 and at most 16, for net"):
        scaled("net", width, (8,))

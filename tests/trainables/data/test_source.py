"""What all sources of images have in common: shares that leave every class something, and augmentation by size."""

import pytest

from trainables.data.source import Usual, an_eighth, check_shares, required_root
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


@pytest.mark.parametrize(
    ("shape", "padding"), [((3, 32, 32), 4), ((1, 8, 100), 1), ((3, 4, 4), 1), ((3, 224, 160), 20)]
)
def test_crops_move_by_an_eighth_of_the_shorter_side(shape: tuple[int, int, int], padding: int) -> None:
    assert an_eighth(shape, flip=True) == Usual(padding, flip=True)


@pytest.mark.parametrize(("share", "fits"), [(0.1, True), (0.01, False), (0.99, False), (0.5, True)])
def test_both_sides_of_a_division_can_have_all_classes(share: float, fits: bool) -> None:
    spec = DataSpec(name="folder", validation=share)
    if fits:
        check_shares(spec, 10, 100)
        return
    with pytest.raises(InvalidValue, match="at least 10 of the 100 training images"):
        check_shares(spec, 10, 100)


def test_a_root_that_is_needed_is_asked_for_in_words() -> None:
    assert required_root(DataSpec(name="folder", root="images"), "the folder") == "images"
    with pytest.raises(InvalidValue, match="must name the folder of images"):
        required_root(DataSpec(name="folder"), "the folder of images")

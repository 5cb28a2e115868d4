"""Which source a name means, and what is said of a name that means none."""

import pytest

from trainables.data.reference import ReferenceSource
from trainables.data.sources import find, names
from trainables.data.torchvision_sets import LibrarySource
from trainables.errors import InvalidValue


def test_every_name_of_ours_has_a_source_of_its_own() -> None:
    assert len({id(find(name)) for name in names()}) == len(names())
    assert {"digits", "mnist", "folder", "imagenet", "table"} <= set(names())


@pytest.mark.parametrize(
    ("name", "kind"), [("torchvision/SVHN", LibrarySource), ("my_package.data:build", ReferenceSource)]
)
def test_others_are_told_by_their_form(name: str, kind: type) -> None:
    assert isinstance(find(name), kind)


@pytest.mark.parametrize(("name", "meant"), [("cifar_10", "cifar10"), ("foldr", "folder")])
def test_an_unknown_name_is_refused_with_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(InvalidValue, match=f"did you mean '{meant}'"):
        find(name)

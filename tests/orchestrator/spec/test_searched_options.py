"""What a study may search of its networks, whatever its paradigms."""

from typing import Any

import pytest

from orchestrator.spec.choices import Range
from orchestrator.spec.searched_options import check, takes
from trainables.spec import ModelSpec

MLP, CNN = ModelSpec(name="mlp"), ModelSpec(name="digits_cnn")
RESNET, NARROW = ModelSpec(name="resnet20"), ModelSpec(name="resnet20", options={"width": 0.5})
FOREIGN = ModelSpec(name="nowhere:build")


def told(*networks: ModelSpec, **searched: Any) -> dict[str, str]:
    return {error.key: error.allowed for error in check(searched, networks)}


def test_an_option_is_searched_where_a_network_takes_it_and_leaves_it_open() -> None:
    assert told(RESNET, MLP, width=[0.5, 1.0]) == {}
    assert told(RESNET, width=Range(low=0.25, high=1.0)) == {}
    assert told(NARROW, RESNET, width=[0.25]) == {}
    assert [takes(network, "width") for network in (RESNET, NARROW, MLP)] == [True, False, False]


def test_of_a_network_of_others_any_option_may_be_searched() -> None:
    assert told(FOREIGN, depth=[1, 2]) == {}


def test_an_option_that_no_network_takes_is_refused_with_those_that_they_do() -> None:
    (allowed,) = told(RESNET, CNN, widht=[1, 2]).values()
    assert "resnet20 takes width; digits_cnn takes widths" in allowed
    assert allowed.endswith("did you mean 'width'?")


def test_an_option_that_is_fixed_in_all_networks_is_not_searched() -> None:
    assert told(NARROW, width=[0.25]) == {"width": "is fixed by resnet20(width=0.5); leave it out here or there"}


def test_an_entry_of_a_list_is_searched_where_a_network_is_given_that_list() -> None:
    given = ModelSpec(name="digits_cnn", options={"widths": [32, 32, 64]})
    assert told(given, MLP, **{"widths.0": Range(low=8, high=64), "widths.2": [16, 32]}) == {}
    assert [takes(network, "widths.2") for network in (given, CNN, MLP)] == [True, False, False]
    expected = "is in no list of the study's networks: give model.options.widths as a list that is long enough"
    assert told(given, **{"widths.3": Range(low=8, high=64)}) == {"widths.3": expected}
    assert told(CNN, **{"widths.0": [8, 16]}) == {"widths.0": expected}
    assert told(given, **{"widths.00": [8, 16]}).keys() == {"widths.00"}, "two names of one entry would be searched"


@pytest.mark.parametrize("value", [0.5, 1, "wide"])
def test_one_value_is_no_search(value: object) -> None:
    (allowed,) = told(RESNET, width=value).values()
    assert allowed.endswith("one value for all trials is model.options.width")


def test_a_choice_is_checked_as_those_of_paradigms_are() -> None:
    assert told(RESNET, width=[]) == {"width": "needs at least one choice"}
    assert told(RESNET, width=[0.5, 0.5]) == {"width": "names a choice twice"}
    assert told(RESNET, width=Range(low=2, high=1)).keys() == {"width.low"}

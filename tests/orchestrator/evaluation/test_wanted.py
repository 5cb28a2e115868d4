"""What a user asks to be evaluated: checked, and made into conditions."""

from typing import Any

import pytest

from orchestrator.evaluation.wanted import Wanted, kinds_of
from trainables.errors import InvalidValue

CIFAR, DIGITS = (3, 32, 32), (1, 8, 8)


def test_all_kinds_are_wanted_unless_some_are_named() -> None:
    assert len(Wanted().conditions(CIFAR)) == 20
    assert len(Wanted(severities=(1, 5)).conditions(CIFAR)) == 39
    assert [condition.name for condition in Wanted(kinds=("fog",)).conditions(CIFAR)] == ["clean", "fog_3"]
    assert [condition.name for condition in Wanted(kinds=()).conditions(CIFAR)] == ["clean"]


def test_noise_and_attacks_are_named_by_their_radius() -> None:
    wanted = Wanted(kinds=(), noise=(0.1, 0.25), attacks=(0.03,))
    names = [condition.name for condition in wanted.conditions(CIFAR)]
    assert names == ["clean", "noise_0.1", "noise_0.25", "attack_0.03"]


def test_kinds_that_do_not_fit_are_left_out_unless_they_are_named() -> None:
    assert "snow" in Wanted().left_out(DIGITS)
    assert Wanted(kinds=("fog",)).left_out(DIGITS) == {}
    with pytest.raises(InvalidValue, match="kind = 'saturate': needs images of 3 channels"):
        Wanted(kinds=("saturate",)).conditions(DIGITS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"severities": (6,)}, "--severity = 6: must be 1, 2, 3, 4 or 5"),
        (
            {"kinds": ("frog",)},
            "kind = 'frog': must be one of .*did you mean 'frost'|kind = 'frog'.*did you mean 'fog'",
        ),
        ({"noise": (0.0,)}, "--noise = 0.0: must be greater than 0"),
        ({"attacks": (8.0,)}, "--attack = 8.0: must be greater than 0, and at most 1"),
    ],
)
def test_what_cannot_be_wanted_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        Wanted(**options)


def test_kinds_are_typed_one_or_several_at_a_time() -> None:
    assert kinds_of(()) is None
    assert kinds_of(["none"]) == ()
    assert kinds_of(["fog, snow", "fog"]) == ("fog", "snow")

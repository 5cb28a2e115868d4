"""What companions say of themselves, so that steps with them can be captured."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from trainables.training.acts import CLASH, MOMENTS, Act, Acts, combined
from trainables.training.companion import Companion, Companions


class Silent(Companion):
    """A companion that acts, and does not say how."""

    def after_step(self) -> None:
        pass


def test_who_does_nothing_need_not_say_so() -> None:
    assert Companion().acts == Acts()
    assert Companions().acts == Acts()


def test_who_acts_and_says_nothing_is_not_captured() -> None:
    assert "Silent" in str(Silent().acts.refusal)
    assert "Silent" in str(Companions(Companion(), Silent()).acts.refusal)


def acting(moment: str, act: Any) -> Acts:
    return replace(Acts(), **{moment: act})


@pytest.mark.parametrize("moment", MOMENTS)
def test_all_act_on_the_host_at_a_moment_at_which_one_does(moment: str) -> None:
    for one, other in product(Act, Act):
        parts = [acting(moment, one), acting(moment, other)]
        assert getattr(combined(parts), moment) == max(one, other)


def test_gradients_are_replaced_by_none_that_others_change_in_place() -> None:
    assert combined([Acts(before_step=Act.SAME), Acts(before_step=Act.HOST)]).refusal == CLASH
    assert combined([Acts(before_step=Act.SAME), Acts(after_step=Act.HOST)]).refusal is None


def test_one_that_is_of_no_kind_or_has_another_pattern_is_enough() -> None:
    class Odd(Companion):
        def kind(self) -> None:
            return None

        def pattern(self) -> int:
            return 7

    assert Companions(Companion(), Odd()).kind() is None
    assert Companions(Companion(), Companion()).kind() == Companions(Companion(), Companion()).kind() is not None
    assert Companions(Companion(), Odd()).pattern() != Companions(Companion(), Companion()).pattern()

"""The colours of paradigms."""

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.results.palette import COLORS, colors, looks, sequential

PARADIGMS = st.lists(st.text("abcdef_", min_size=1, max_size=4), max_size=20)


@given(PARADIGMS, st.randoms(use_true_random=False))
def test_neither_the_order_of_trials_nor_their_number_changes_a_colour(
    paradigms: list[str], chance: random.Random
) -> None:
    shuffled = chance.sample(paradigms, len(paradigms))
    assert colors([*shuffled, *paradigms]) == colors(paradigms)


@given(PARADIGMS)
def test_no_two_of_eight_paradigms_share_a_colour(paradigms: list[str]) -> None:
    chosen = colors(paradigms)
    assert list(chosen) == sorted(set(paradigms))
    assert len(set(chosen.values())) == min(len(chosen), len(COLORS))


def test_the_ninth_paradigm_has_the_colour_of_the_first() -> None:
    chosen = colors("abcdefghi")
    assert chosen["i"] == chosen["a"] == COLORS[0]
    assert chosen["h"] == COLORS[7]


def test_every_colour_is_one_that_browsers_know() -> None:
    assert all(re.fullmatch("#[0-9A-F]{6}", color) for color in COLORS)


def test_two_of_104_paradigms_differ_in_colour_or_marker() -> None:
    chosen = looks(f"p{number:03}" for number in range(104))
    assert len(set(chosen.values())) == 104


def test_a_scale_begins_light_and_ends_dark() -> None:
    assert (sequential(0.0), sequential(1.0)) == ("#D8E219", "#440154")

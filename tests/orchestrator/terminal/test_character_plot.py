"""A front in characters."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.terminal.character_plot import HEIGHT, STAR, CharacterPlot, character_plot
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
POINTS = st.lists(st.tuples(FINITE, FINITE, st.just("x")), min_size=1, max_size=20)


@given(POINTS, st.integers(20, 120))
def test_every_picture_fits_and_shows_its_points(points: list[tuple[float, float, str]], width: int) -> None:
    lines = CharacterPlot(tuple(points), "macs", "accuracy", {"x": "magnitude"}).lines(width)
    body = lines[1 : HEIGHT + 1]
    assert 1 <= sum(line.partition("|")[2].count("x") for line in body) <= len(points)
    assert len(lines) == HEIGHT + 5


def test_better_networks_stand_higher_and_smaller_ones_further_left() -> None:
    lines = CharacterPlot(((1e3, 0.5, "a"), (2e3, 0.9, "b")), "macs", "accuracy", {}).lines(60)
    (small,), (large,) = ([n for n, line in enumerate(lines) if mark in line.partition("|")[2]] for mark in "ab")
    assert large < small
    assert lines[small].index("a") < lines[large].index("b")
    assert lines[large].lstrip().startswith("90.00 %")
    assert "1.00 k" in lines[HEIGHT + 2]
    assert "2.00 k" in lines[HEIGHT + 2]


def test_paradigms_have_marks_of_their_own_and_the_reference_a_star() -> None:
    plot = character_plot([told_trial(number) for number in (0, 1, 2)], OBJECTIVES, told_trial(0))
    assert sorted(plot.names.values()) == ["dense, the reference", "lottery_ticket", "magnitude"]
    assert plot.names[STAR] == "dense, the reference"
    assert len({mark for _, _, mark in plot.points}) == 3
    assert STAR not in character_plot(told_trials(2), OBJECTIVES, None).names

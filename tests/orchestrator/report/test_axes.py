"""The axes of charts."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.axes import DECADES_IN_FULL, TICKS, Axis, named, written

VALUES = st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=6)


@given(VALUES, st.booleans())
def test_an_axis_holds_its_values_and_its_ticks_in_order(values: list[float], from_zero: bool) -> None:
    axis = Axis.of("macs", values, from_zero=from_zero)
    assert all(axis.holds(value) for value in values)
    ticks = [value for value, _ in axis.ticks]
    assert ticks == sorted(set(ticks))
    assert all(axis.ends[0] - 1e-9 * abs(axis.ends[1]) <= tick <= axis.ends[1] * (1 + 1e-9) for tick in ticks)
    assert len(ticks) <= 24


def test_an_axis_without_values_is_still_an_axis() -> None:
    assert Axis.of("accuracy", []).ends == Axis.of("accuracy", [math.nan, 0.0, 1.0]).ends


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.985, "98.5"),
        ("macs", 200_000.0, "200 k"),
        ("macs", 0.0, "0"),
        ("latency", 0.002, "2"),
        ("loss", 0.25, "0.25"),
        ("macs", 999.0, "999"),
        ("macs", 1e3, "1 k"),
        ("params", 1.5e6, "1.5 M"),
        ("macs", 2e9, "2 G"),
        ("macs", -2e6, "-2 M"),
        ("peak_memory", 3e12, "3 T"),
        ("energy", 250.0, "250"),
        ("train_seconds", 1500.0, "1,500"),
        ("device_use", 0.125, "12.5"),
    ],
)
def test_ticks_are_in_the_unit_that_the_axis_names(metric: str, value: float, text: str) -> None:
    assert written(metric, value) == text
    assert ("%" in Axis.of(metric, [value]).label) == (metric == "accuracy")


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("accuracy", "validation accuracy in %"),
        ("latency", "latency in ms"),
        ("train_seconds", "time of training in s"),
        ("peak_memory", "peak memory in bytes"),
        ("energy", "energy of training in J"),
        ("macs", "effective MACs"),
        ("loss", "validation loss"),
    ],
)
def test_an_axis_names_its_metric_and_the_unit_of_its_ticks(metric: str, label: str) -> None:
    assert named(metric) == Axis.of(metric, [1.0, 2.0]).label == label
    assert Axis.of(metric, [1.0], label="another").label == "another"


def test_steps_stand_at_whole_numbers() -> None:
    axis = Axis.steps("scope", ["global", "layer"])
    assert axis.ticks == ((0.0, "global"), (1.0, "layer"))
    assert axis.holds(0.0)
    assert axis.holds(1.0)
    assert axis.holds(-0.5)
    assert axis.holds(1.5)
    assert not axis.holds(-0.7)
    assert not axis.holds(1.7)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.booleans())
def test_ticks_of_a_plain_axis_are_even_and_few(values: list[int], from_zero: bool) -> None:
    axis = Axis.of("macs", values, from_zero=from_zero)
    if axis.logarithmic:
        return
    ticks = [value for value, _ in axis.ticks]
    assert 2 <= len(ticks) <= TICKS + 1
    gaps = [after - before for before, after in pairwise(ticks)]
    assert gaps == pytest.approx([gaps[0]] * len(gaps), rel=1e-6)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ([0.0, 2.5], [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]),
        ([0.0, 5.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
        ([-1.0, 1.0], [-1.0, -0.5, 0.0, 0.5, 1.0]),
    ],
)
def test_steps_are_one_two_or_five_times_a_power_of_ten(values: list[float], ticks: list[float]) -> None:
    assert [value for value, _ in Axis.of("loss", values).ticks] == pytest.approx(ticks)


def test_few_decades_have_ticks_between_the_powers_of_ten_and_many_have_none() -> None:
    few, many = Axis.of("macs", [1e3, 1e5]), Axis.of("macs", [1e3, 1e9])
    assert few.logarithmic
    assert many.logarithmic
    assert {value for value, _ in few.ticks} >= {1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5}
    assert all(math.log10(value).is_integer() for value, _ in many.ticks)
    assert math.log10(few.ends[1] / few.ends[0]) < DECADES_IN_FULL < math.log10(many.ends[1] / many.ends[0])


def test_an_axis_is_logarithmic_where_values_span_decades_unless_it_begins_at_zero() -> None:
    spread = [1.0, 100.0]
    assert Axis.of("macs", spread).logarithmic
    assert not Axis.of("macs", spread, from_zero=True).logarithmic
    assert not Axis.of("macs", [0.0, *spread]).logarithmic
    assert not Axis.of("macs", [50.0, 100.0]).logarithmic
    assert Axis.of("macs", spread, from_zero=True).ends[0] == 0.0


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=5))
def test_an_axis_of_what_is_never_negative_does_not_begin_below_zero(values: list[float]) -> None:
    assert Axis.of("macs", values).ends[0] >= 0
    assert Axis.of("macs", [*values, -1.0]).ends[0] < -1


def test_values_that_are_no_numbers_do_not_count() -> None:
    assert Axis.of("loss", [math.nan, 1.0, math.inf, 3.0, -math.inf]) == Axis.of("loss", [1.0, 3.0])


@given(VALUES, st.floats(-500, 500), st.floats(10, 500), st.booleans())
def test_the_ends_of_an_axis_lie_at_the_ends_of_its_place(
    values: list[float], begin: float, length: float, upside_down: bool
) -> None:
    axis, end = Axis.of("macs", values), begin + (-length if upside_down else length)
    place = axis.scale(begin, end)
    assert [place(value) for value in axis.ends] == pytest.approx([begin, end], abs=1e-6)
    inside = [place(value) for value in sorted(values)]
    assert inside == sorted(inside, reverse=upside_down)


def test_equal_factors_are_equal_distances_on_a_logarithmic_axis() -> None:
    place = Axis.of("macs", [1.0, 1e4]).scale(0, 100)
    assert place(100) - place(10) == pytest.approx(place(1000) - place(100))
    assert not Axis.of("macs", [1.0, 1e4]).holds(0.0)


@given(VALUES, st.floats(0, 1e-3), st.sampled_from(["accuracy", "macs", "loss", "latency"]))
def test_no_two_ticks_have_the_same_name(values: list[float], apart: float, metric: str) -> None:
    names = [name for _, name in Axis.of(metric, [*values, values[0] * (1 + apart)]).ticks]
    assert len(set(names)) == len(names) >= 1


def test_values_that_differ_by_rounding_alone_have_one_tick() -> None:
    assert Axis.of("accuracy", [0.1 + 0.2, 0.3]).ticks == ((0.3, "30"),)
    assert [name for _, name in Axis.of("accuracy", [0.9, 0.9 + 1e-13]).ticks] == ["90"]

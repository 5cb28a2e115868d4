"""Measurements as people read them."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.results.quantities import count, duration, name, number, show

POSITIVE = st.floats(1e-6, 1e17)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.97345, "97.34 %"),
        ("test_accuracy", 1.0, "100.00 %"),
        ("sparsity", 0.0, "0.00 %"),
        ("device_use", 0.934, "93 %"),
        ("macs", 40_600_000.0, "40.6 M"),
        ("macs_dense", 1.2e9, "1.20 G"),
        ("params", 270.0, "270"),
        ("bytes", 3.5e12, "3.50 T"),
        ("peak_memory", 432e6, "432 MB"),
        ("peak_memory", 12.0, "12B"),
        ("latency", 0.00124, "1.24 ms"),
        ("latency", 1.5, "1,500 ms"),
        ("loss", 0.123456, "0.1235"),
        ("anything_else", 2.0, "2"),
    ],
)
def test_a_metric_is_shown_in_its_unit(metric: str, value: float, text: str) -> None:
    assert show(metric, value) == text


@pytest.mark.parametrize("metric", ["accuracy", "macs", "latency", "loss", "peak_memory", "device_use"])
def test_what_is_unknown_is_a_dash(metric: str) -> None:
    assert show(metric, None) == show(metric, math.nan) == "-"


def test_a_metric_is_named_with_the_split_that_it_is_measured_on() -> None:
    assert name("accuracy") == "validation accuracy"
    assert name("macs") == "effective MACs"
    assert name("macs_physical") == "physical MACs"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999.4, "999"),
        (999.6, "1.00 k"),
        (1000, "1.00 k"),
        (99_940, "99.9 k"),
        (999_499, "999 k"),
        (999_600, "1.00 M"),
        (-40.6e6, "-40.6 M"),
        (1.5e15, "1500 T"),
    ],
)
def test_a_count_has_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert count(value) == text


@given(POSITIVE)
def test_a_count_is_read_back_to_three_digits(value: float) -> None:
    digits, _, prefix = count(value).partition(" ")
    size = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[prefix]
    assert float(digits) * size == pytest.approx(value, rel=0.0051)
    if prefix:
        assert float(digits) >= 1
        assert float(digits) < 1000 or prefix == "T"


@given(POSITIVE, st.integers(1, 6))
def test_a_number_is_never_written_as_a_power_of_ten(value: float, digits: int) -> None:
    text = number(value, digits)
    assert re.fullmatch(r"[\d,]+(\.\d+)?", text)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.5 * 10 ** (1 - digits) * 1.001)


@pytest.mark.parametrize(
    ("value", "digits", "text"), [(1500.0, 2, "1,500"), (99.6, 2, "100"), (0.5, 3, "0.5"), (1234.5, 3, "1,230")]
)
def test_a_number_has_so_many_digits(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.4, "59.4 s"),
        (59.6, "1 min 0 s"),
        (61, "1 min 1 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (2 * 3600 + 5 * 60 + 59, "2 h 5 min"),
        (100 * 3600, "100 h 0 min"),
    ],
)
def test_a_time_span_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 1e7))
def test_a_time_span_is_read_back_to_its_smaller_unit(seconds: float) -> None:
    units = {"h": 3600.0, "min": 60.0, "s": 1.0}
    parts = re.findall(r"([\d.]+) (h|min|s)\b", duration(seconds))
    read = sum(float(value) * units[unit] for value, unit in parts)
    assert abs(read - seconds) <= units[parts[-1][1]]

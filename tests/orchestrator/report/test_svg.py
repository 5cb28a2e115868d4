"""Charts as SVG."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from orchestrator.report.axes import Axis
from orchestrator.report.chart import Bars, Chart, Label, Layer, Line, Points
from orchestrator.report.svg import SMALL, definitions, marker, svg, swatch
from orchestrator.results.palette import MARKERS, STAR

EVIL = "</text><script>alert(1)</script>"


def chart(*layers: Layer) -> Chart:
    return Chart(x=Axis.of("macs", [1.0, 2.0]), y=Axis.of("accuracy", [0.0, 1.0]), layers=layers)


def points(xs: tuple[float, ...]) -> Points:
    numbers = tuple(range(len(xs)))
    return Points(xs=xs, ys=(0.5,) * len(xs), trials=numbers, colors=("#0072B2",), paradigm="magnitude")


def test_each_point_inside_the_axes_is_one_mark_with_its_trial_and_paradigm() -> None:
    drawn = ET.fromstring(svg(chart(points((1.0, 1.5, 9.0))), {"magnitude": 3}))
    (group,) = [element for element in drawn.iter("g") if element.get("data-p") == "3"]
    assert [use.get("data-t") for use in group.iter("use")] == ["0", "1"]


def test_a_step_goes_along_before_it_goes_up_and_a_line_outside_is_cut() -> None:
    step = svg(chart(Line(xs=(1.0, 2.0, 9.0), ys=(0.0, 1.0, 1.0), is_step=True, color="#123456")), {})
    (path,) = re.findall(r'd="([^"]*)"[^>]*#123456', step)
    assert re.fullmatch(r"M[\d.]+ [\d.]+H[\d.]+L[\d.]+ [\d.]+", path)


def test_nothing_in_a_text_becomes_markup() -> None:
    axis = Axis.steps(EVIL, [EVIL])
    drawn = svg(Chart(x=axis, y=axis, layers=(Label(x=0.0, y=0.0, text=EVIL),), title=EVIL), {}, SMALL)
    assert not list(ET.fromstring(drawn).iter("script"))


def test_the_page_defines_every_marker_that_a_paradigm_or_the_star_has() -> None:
    defined = set(re.findall(r'id="(m\d+)"', definitions()))
    for each in (*MARKERS, STAR):
        (used,) = re.findall(r'href="#(m\d+)"', marker("#0072B2", each))
        assert used in defined


def test_a_swatch_is_of_its_layer() -> None:
    bars = Bars(begins=(0.0,), ends=(1.0,), ys=(0.0,), color="#0072B2")
    for layer in (points((1.0,)), Line(xs=(), ys=(), color="#0072B2"), bars):
        assert "#0072B2" in swatch(layer)


def test_names_below_the_axis_do_not_run_into_each_other() -> None:
    axis = Axis.steps("name", ["a very long name of a choice"] * 9)
    drawn = ET.fromstring(svg(Chart(x=axis, y=Axis.of("accuracy", [0.0, 1.0]), layers=()), {}, SMALL))
    shown = [text for text in drawn.iter("text") if (text.text or "").startswith("a very")]
    assert 1 <= len(shown) <= 2


def test_a_picture_with_trials_is_reached_by_the_keyboard_and_one_without_is_passed() -> None:
    assert ET.fromstring(svg(chart(points((1.5,))), {})).get("tabindex") == "0"
    assert ET.fromstring(svg(chart(Line(xs=(1.0, 2.0), ys=(0.0, 1.0))), {})).get("tabindex") is None


def test_a_mark_lies_where_its_axes_place_it_at_any_size() -> None:
    for size in (4.5, 8.0):
        drawn = ET.fromstring(svg(chart(replace(points((1.5,)), size=size)), {}))
        (use,) = drawn.iter("use")
        across, up = (float(use.get(name) or 0) * size for name in ("x", "y"))
        axis = next(path.get("d") or "" for path in drawn.iter("path") if path.get("class") == "axis")
        left, top, bottom, right = map(float, re.findall(r"[\d.]+", axis))
        assert across == pytest.approx((left + right) / 2, abs=0.1)
        assert up == pytest.approx(chart().y.scale(bottom, top)(0.5), abs=0.1)

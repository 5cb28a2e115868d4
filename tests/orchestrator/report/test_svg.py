"""Charts as SVG."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from orchestrator.report.axes import Axis
from orchestrator.report.chart import INK, SOFT, Bars, Chart, Label, Layer, Line, Points
from orchestrator.report.svg import LARGE, SMALL, definitions, marker, svg, swatch
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


def test_a_name_of_an_axis_that_is_too_long_says_shortly_that_it_is_logarithmic() -> None:
    axis = Axis.of("train_seconds", [0.1, 100.0])
    shown = [svg(Chart(x=axis, y=axis, layers=()), {}, size) for size in (SMALL, LARGE)]
    assert [text.count("time of training in s, logarithmic<") for text in shown] == [1, 2]
    assert [text.count("time of training in s, log.<") for text in shown] == [1, 0]


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


def frame(drawn: ET.Element) -> tuple[float, float, float, float]:
    """Return left, top, bottom and right of the axes."""
    axis = next(path.get("d") or "" for path in drawn.iter("path") if path.get("class") == "axis")
    left, top, bottom, right = map(float, re.findall(r"[\d.]+", axis))
    return left, top, bottom, right


def test_every_tick_has_a_line_of_the_grid_and_a_name_at_its_place() -> None:
    plain = chart()
    drawn = ET.fromstring(svg(plain, {}))
    left, top, bottom, right = frame(drawn)
    grid = next(path.get("d") or "" for path in drawn.iter("path") if path.get("class") == "grid")
    across = [float(place) for place in re.findall(rf"M{left:.1f} ([\d.]+)H{right:.1f}", grid)]
    down = [float(place) for place in re.findall(rf"M([\d.]+) {top:.1f}V{bottom:.1f}", grid)]
    heights, widths = plain.y.scale(bottom, top), plain.x.scale(left, right)
    assert across == pytest.approx([heights(value) for value, _ in plain.y.ticks], abs=0.06)
    assert down == pytest.approx([widths(value) for value, _ in plain.x.ticks], abs=0.06)
    names = [text for text in drawn.iter("text") if text.get("class") == "tick"]
    beside = [text for text in names if text.get("text-anchor") == "end"]
    assert [text.text for text in beside] == [name for _, name in plain.y.ticks]
    assert all(float(text.get("x") or 0) < left for text in beside)
    assert all(float(text.get("y") or 0) > bottom for text in names if text not in beside)


def test_a_logarithmic_axis_says_so() -> None:
    wide = Chart(x=Axis.of("macs", [1.0, 1e6]), y=Axis.of("loss", [0.0, 1.0]), layers=())
    named = [text.text for text in ET.fromstring(svg(wide, {})).iter("text") if text.get("class") == "name"]
    assert named == ["effective MACs, logarithmic", "validation loss"]


def test_long_names_beside_the_axis_get_room_and_beyond_it_are_cut() -> None:
    short, long = (Chart(x=Axis.of("macs", [1.0]), y=Axis.steps("by", [n]), layers=()) for n in ("a", "a" * 90))
    narrow, wide = (ET.fromstring(svg(each, {}, SMALL)) for each in (short, long))
    assert frame(narrow)[0] < frame(wide)[0] <= 0.45 * SMALL[0]
    (name,) = [text.text or "" for text in wide.iter("text") if (text.text or "").startswith("aa")]
    assert name.endswith("a…")
    assert len(name) < 30


def test_the_picture_is_named_by_its_title_or_its_axes() -> None:
    assert ET.fromstring(svg(chart(), {})).get("aria-label") == "validation accuracy in % against effective MACs"
    assert ET.fromstring(svg(replace(chart(), title="the front"), {})).get("aria-label") == "the front"
    assert ET.fromstring(svg(chart(), {}, SMALL)).get("viewBox") == "0 0 320 240"


def test_points_without_a_trial_or_a_paradigm_carry_none() -> None:
    unknown = replace(points((1.5,)), trials=(-1,), paradigm=None)
    drawn = ET.fromstring(svg(chart(unknown), {"magnitude": 3}))
    assert [use.get("data-t") for use in drawn.iter("use")] == [None]
    assert [group.get("data-p") for group in drawn.iter("g")] == [None]
    elsewhere = ET.fromstring(svg(chart(points((1.5,))), {"snip": 3}))
    assert [group.get("data-p") for group in elsewhere.iter("g")] == [None]


def test_points_beyond_the_axes_leave_nothing() -> None:
    drawn = ET.fromstring(svg(chart(points((9.0, -9.0))), {"magnitude": 3}))
    assert not list(drawn.iter("g"))


def test_means_and_the_front_are_told_apart() -> None:
    mean, front = replace(points((1.5,)), are_means=True), replace(points((1.5,)), is_front=True)
    groups = list(ET.fromstring(svg(chart(mean, front, points((1.5,))), {})).iter("g"))
    assert [(g.get("data-mean"), g.get("data-front")) for g in groups] == [("yes", None), (None, "yes"), (None, None)]


def test_each_point_has_its_own_colour_where_there_are_several() -> None:
    several = replace(points((1.2, 1.8)), colors=("#111111", "#222222"))
    (group,) = ET.fromstring(svg(chart(several), {})).iter("g")
    assert [use.get("fill") for use in group.iter("use")] == ["#111111", "#222222"]
    assert group.get("fill") is None
    (alike,) = ET.fromstring(svg(chart(points((1.2, 1.8))), {})).iter("g")
    assert [use.get("fill") for use in alike.iter("use")] == [None, None]
    assert alike.get("fill") == "#0072B2"


def test_a_hollow_point_is_an_outline_that_can_still_be_pointed_at() -> None:
    (group,) = ET.fromstring(svg(chart(replace(points((1.5,)), is_hollow=True, opacity=0.5)), {})).iter("g")
    assert (group.get("fill"), group.get("stroke"), group.get("opacity")) == ("transparent", "#0072B2", "0.5")


@pytest.mark.parametrize(("color", "kind"), [(INK, "stroke-ink"), (SOFT, "stroke-soft"), ("#123456", None)])
def test_colours_of_the_pages_style_are_classes(color: str, kind: str | None) -> None:
    line = Line(xs=(1.0, 2.0), ys=(0.0, 1.0), color=color, name="here", trial=4)
    (path,) = [path for path in ET.fromstring(svg(chart(line), {})).iter("path") if path.get("data-t") == "4"]
    assert path.get("class") == kind
    assert path.get("stroke") == (color if kind is None else None)
    assert path.get("fill") == "none"


def test_a_line_is_broken_where_it_leaves_the_axes() -> None:
    line = Line(xs=(1.0, 1.2, 9.0, 1.4, 1.6), ys=(0.2,) * 5, color="#123456", is_dashed=True, width=3.0)
    (path,) = [path for path in ET.fromstring(svg(chart(line), {})).iter("path") if path.get("stroke") == "#123456"]
    assert re.sub(r"[\d. ]", "", path.get("d") or "") == "MLML"
    assert (path.get("stroke-dasharray"), path.get("stroke-width")) == ("2 4", "3")


def test_bars_are_boxes_from_their_begin_to_their_end_around_their_height() -> None:
    steps = Chart(x=Axis.of("loss", [0.0, 1.0]), y=Axis.steps("by", ["a", "b"]), layers=())
    bars = Bars(begins=(0.0, 0.25), ends=(0.5, 1.0), ys=(0.0, 1.0), color="#123456", opacity=0.5)
    drawn = ET.fromstring(svg(replace(steps, layers=(bars,)), {}))
    left, top, bottom, right = frame(drawn)
    (path,) = [path for path in drawn.iter("path") if path.get("fill") == "#123456"]
    assert path.get("opacity") == "0.5"
    x, y = steps.x.scale(left, right), steps.y.scale(bottom, top)
    boxes = [[float(n) for n in re.findall(r"[\d.]+", box)] for box in (path.get("d") or "").split("z") if box]
    expected = [
        [x(b), y(at - 0.35), x(e), y(at + 0.35), x(b)] for b, e, at in zip(bars.begins, bars.ends, bars.ys, strict=True)
    ]
    assert boxes == [pytest.approx(box, abs=0.06) for box in expected]


def test_a_remark_stands_at_its_point_if_that_is_shown() -> None:
    def remarks(x: float) -> list[str]:
        drawn = ET.fromstring(svg(chart(Label(x=x, y=0.5, text="dense & whole")), {}))
        return [text.text or "" for text in drawn.iter("text") if text.get("class") == "remark"]

    assert remarks(1.5) == ["dense & whole"]
    assert remarks(9.0) == []


def test_a_swatch_shows_its_layer_in_full_strength_and_one_size() -> None:
    faint, strong = (Line(xs=(), ys=(), color="#123456", width=w, opacity=o) for w, o in ((9.0, 0.1), (2.0, 1.0)))
    assert swatch(faint) == swatch(strong)
    large, small = replace(points((1.5,)), size=9.0), replace(points((1.5,)), size=2.0)
    assert swatch(large) == swatch(small)


@pytest.mark.parametrize(("trial", "told"), [(0, ["0"]), (7, ["7"]), (-1, [])])
def test_a_line_carries_its_trial_if_it_is_of_one(trial: int, told: list[str]) -> None:
    line = Line(xs=(1.0, 2.0), ys=(0.0, 1.0), trial=trial)
    drawn = ET.fromstring(svg(chart(line), {}))
    assert [path.get("data-t") for path in drawn.iter("path") if path.get("data-t") is not None] == told


def test_the_name_of_the_upright_axis_is_turned_and_that_of_the_other_is_not() -> None:
    names = [text for text in ET.fromstring(svg(chart(), {})).iter("text") if text.get("class") == "name"]
    turned = {text.text: "rotate(-90)" in (text.get("transform") or "") for text in names}
    assert turned == {"effective MACs": False, "validation accuracy in %": True}


def test_a_line_without_two_points_inside_the_axes_is_a_point_or_nothing() -> None:
    outside = Line(xs=(9.0, 10.0), ys=(0.0, 1.0), color="#123456")
    assert "#123456" not in svg(chart(outside), {})

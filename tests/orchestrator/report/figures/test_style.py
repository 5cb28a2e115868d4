"""What all figures share."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import State
from orchestrator.report.figures import curves_figure, front_figure, hypervolume_figure
from orchestrator.report.figures.style import blank, describe, plain, tick_format, title
from orchestrator.results.axis_range import DECADES, spans_decades
from tests.orchestrator.example import OBJECTIVES, told_trial

EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"


def test_what_is_under_the_pointer_is_escaped() -> None:
    record = replace(told_trial(1), paradigm=EVIL, params={EVIL: EVIL})
    for figure in (
        front_figure([record], OBJECTIVES, "macs"),
        hypervolume_figure([told_trial(0), record], OBJECTIVES),
        curves_figure([record], OBJECTIVES, "accuracy"),
    ):
        shown = [str(text) for trace in figure.data for text in (*(trace.text or ()), trace.name) if text]
        assert not any("<img" in text or "<script" in text for text in shown)
        assert any("&lt;img" in text for text in shown)


def test_the_axes_say_what_they_show_and_in_which_unit() -> None:
    layout = blank("macs", "accuracy").layout
    assert (layout.xaxis.title.text, layout.xaxis.tickformat) == ("effective MACs", ".3~s")
    assert (layout.yaxis.title.text, layout.yaxis.tickformat) == ("validation accuracy", ".1%")


@pytest.mark.parametrize(
    ("metric", "written"),
    [("accuracy", ".1%"), ("sparsity", ".1%"), ("params", ".3~s"), ("latency", ".3~s"), ("loss", ""), ("epoch", "")],
)
def test_ticks_are_written_in_the_unit_of_the_metric(metric: str, written: str) -> None:
    assert tick_format(metric) == written


@given(st.floats(1e-6, 1e6), st.floats(0, 4))
def test_decades_are_counted_between_the_smallest_and_the_largest(low: float, decades: float) -> None:
    if abs(decades - DECADES) > 1e-6:
        assert spans_decades([low * 10**decades, low]) == (decades > DECADES)


@pytest.mark.parametrize("values", [[], [0.0, 1e9], [-1.0, 1e9], [5.0]])
def test_values_that_have_no_logarithm_or_no_extent_span_no_decades(values: list[float]) -> None:
    assert not spans_decades(values)


def test_a_finished_trial_is_described_by_what_it_reached_and_how() -> None:
    first, *lines = describe(told_trial(1)).split("<br>")
    assert first == "<b>trial 1 · magnitude</b>"
    assert "validation accuracy: 99.00 %" in lines
    assert "test accuracy: 98.00 %" in lines
    assert "effective MACs: 1.11 M" in lines
    assert not any("loss" in line for line in lines)
    assert lines[-4:] == ["<i>sparsity 0.1</i>", "<i>scope global</i>", "<i>rounds 2</i>", "<i>seed 101</i>"]


def test_a_partial_trial_is_described_by_its_state() -> None:
    assert describe(told_trial(4)).split("<br>")[1] == "PRUNED at 50% of its budget"
    paused = replace(told_trial(4), state=State.PAUSED, fidelity=0.25)
    assert describe(paused).split("<br>")[1] == "PAUSED at 25% of its budget"


def test_a_title_is_escaped() -> None:
    assert title(replace(told_trial(3), paradigm="<b>")) == "trial 3 · &lt;b&gt;"


@pytest.mark.parametrize(("value", "text"), [(0.123456, "0.123"), (3, "3"), (True, "True"), ("layer", "layer")])
def test_a_hyper_parameter_is_written_briefly(value: float | str, text: str) -> None:
    assert plain(value) == text

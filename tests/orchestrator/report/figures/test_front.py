"""The figure of the front: what stands where, and what marks it."""

import math
from dataclasses import replace
from typing import Any

import plotly.graph_objects as go
import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures import front_figure
from orchestrator.report.figures.front import is_unpruned
from orchestrator.results.front import Objectives
from orchestrator.results.palette import colors
from tests.orchestrator.example import DENSE, OBJECTIVES, told_trial, told_trials


def named(figure: go.Figure, name: str) -> Any:
    (trace,) = [trace for trace in figure.data if trace.name == name]
    return trace


def measuring(trial: int, **metrics: float) -> TrialRecord:
    return replace(told_trial(trial), metrics={**told_trial(trial).metrics, **metrics})


def test_partial_and_infeasible_trials_look_different_and_stay_off_the_line() -> None:
    stopped, refused = told_trial(4), replace(told_trial(5), feasible=False)
    figure = front_figure([told_trial(0), told_trial(1), stopped, refused], OBJECTIVES, "macs")
    line = next(trace for trace in figure.data if trace.name == "front")
    assert sorted(line.x) == sorted(r.metrics["macs"] for r in (told_trial(0), told_trial(1)))
    symbols = {text.split("<br>")[0]: trace.marker.symbol for trace in figure.data if trace.text for text in trace.text}
    assert symbols["<b>trial 4 · lottery_ticket</b>"] == "x-thin-open"
    assert symbols["<b>trial 5 · magnitude</b>"] == "diamond-open"


def test_a_partial_trial_stands_at_its_last_epoch_and_its_projected_cost() -> None:
    figure = front_figure([told_trial(4)], OBJECTIVES, "macs")
    (trace,) = [trace for trace in figure.data if trace.text]
    last = told_trial(4).curve[-1]
    assert (trace.x, trace.y) == ((last.macs_projected,), (last.accuracy,))


def test_an_unpruned_trial_is_marked_as_such() -> None:
    figure = front_figure([told_trial(0), told_trial(1)], OBJECTIVES, "macs")
    stars = [trace for trace in figure.data if trace.text and "star" in trace.marker.symbol]
    assert ["trial 0" in text for trace in stars for text in trace.text] == [True]


def test_the_line_joins_the_front_from_the_cheapest_on_and_steps_where_two_objectives_are_drawn() -> None:
    line = named(front_figure(told_trials(4), OBJECTIVES, "macs"), "front")
    assert list(line.x) == sorted(record.metrics["macs"] for record in told_trials(4))
    assert (line.mode, line.line.shape) == ("lines+markers", "hv")


def test_a_front_in_three_objectives_has_rings_but_no_line() -> None:
    three = {**OBJECTIVES, "params": "minimize"}
    assert named(front_figure(told_trials(4), three, "params"), "front").mode == "markers"


def test_a_cost_that_is_maximised_turns_the_steps() -> None:
    objectives: Objectives = {"accuracy": "maximize", "sparsity": "maximize"}
    assert named(front_figure(told_trials(4), objectives, "sparsity"), "front").line.shape == "vh"


def test_each_paradigm_has_its_colour_and_one_entry_in_the_legend() -> None:
    records = told_trials(12)
    figure = front_figure(records, OBJECTIVES, "macs")
    for paradigm, color in colors(record.paradigm for record in records).items():
        shown = [trace for trace in figure.data if trace.legendgroup == paradigm]
        assert {trace.marker.color for trace in shown} == {color}
        assert sum(trace.showlegend is not False for trace in shown) == 1


def test_a_failed_or_running_trial_is_not_drawn() -> None:
    running = replace(told_trial(1), state=State.RUNNING)
    figure = front_figure([told_trial(6), running], OBJECTIVES, "macs")
    assert not [text for trace in figure.data for text in trace.text or ()]


def test_a_trial_stopped_before_its_first_epoch_is_not_drawn() -> None:
    figure = front_figure([replace(told_trial(4), curve=())], OBJECTIVES, "macs")
    assert not [text for trace in figure.data for text in trace.text or ()]


def test_only_the_symbols_that_occur_are_explained() -> None:
    meanings = {"nothing pruned", "stopped early: its last epoch", "missing a constraint"}
    cases = {
        "nothing pruned": told_trial(0),
        "stopped early: its last epoch": told_trial(4),
        "missing a constraint": replace(told_trial(1), feasible=False),
    }
    for meaning, record in cases.items():
        names = {trace.name for trace in front_figure([record], OBJECTIVES, "macs").data}
        assert names & meanings == {meaning}


def test_dotted_lines_mark_the_dense_network_and_the_best_without_pruning() -> None:
    better = replace(measuring(0, accuracy=0.995), trial=20)
    figure = front_figure([told_trial(0), better, told_trial(1)], OBJECTIVES, "macs")
    vertical, horizontal = figure.layout.shapes
    assert (vertical.x0, vertical.x1, vertical.line.dash) == (DENSE["macs"], DENSE["macs"], "dot")
    assert (horizontal.y0, horizontal.y1) == (0.995, 0.995)
    assert [label.text for label in figure.layout.annotations] == ["dense network", "best without pruning"]


def test_the_best_without_pruning_is_the_lowest_where_the_objective_is_minimised() -> None:
    records = [measuring(0, loss=0.2), replace(measuring(0, loss=0.1), trial=20)]
    (horizontal,) = front_figure(records, {"loss": "minimize", "accuracy": "maximize"}, "accuracy").layout.shapes
    assert horizontal.y0 == 0.1


@pytest.mark.parametrize("order", [1, -1])
def test_the_dense_network_is_marked_also_where_some_trials_did_not_measure_it(order: int) -> None:
    silent = replace(told_trial(1), metrics={k: v for k, v in told_trial(1).metrics.items() if k != "macs_dense"})
    unknown = replace(measuring(3, macs_dense=math.nan), trial=3)
    figure = front_figure([silent, unknown, told_trial(2)][::order], OBJECTIVES, "macs")
    assert [shape.x0 for shape in figure.layout.shapes] == [DENSE["macs"]]


def test_without_a_dense_network_there_is_no_dotted_line() -> None:
    records = [replace(told_trial(1), metrics={"accuracy": 0.9, "macs": 1e5})]
    assert not front_figure(records, OBJECTIVES, "macs").layout.shapes


def test_costs_that_span_decades_are_logarithmic_and_the_label_stays_beside_its_line() -> None:
    figure = front_figure(told_trials(40), OBJECTIVES, "macs")
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.shapes[0].x0 == DENSE["macs"]
    beside, above = figure.layout.annotations
    assert 10**beside.x == pytest.approx(DENSE["macs"])
    assert above.x == 0


def test_costs_of_one_magnitude_are_linear() -> None:
    figure = front_figure(told_trials(4), OBJECTIVES, "macs")
    assert figure.layout.xaxis.type is None
    assert figure.layout.annotations[0].x == DENSE["macs"]


def test_the_first_view_holds_the_front_and_a_button_shows_all() -> None:
    figure = front_figure(
        [*told_trials(4), replace(told_trial(1), trial=5, metrics={"accuracy": 0.2, "macs": 2e6})], OBJECTIVES, "macs"
    )
    low, high = figure.layout.yaxis.range
    line = named(figure, "front")
    assert low < min(line.y) < max(line.y) < high
    assert low > 0.2
    close, everything = figure.layout.updatemenus[0].buttons
    assert close.args[0] == {"yaxis.range": [low, high]}
    assert everything.args[0] == {"yaxis.autorange": True}


def test_a_front_without_extent_still_has_a_range() -> None:
    twins = [told_trial(1), replace(told_trial(1), trial=3)]
    low, high = front_figure(twins, OBJECTIVES, "macs").layout.yaxis.range
    assert low < told_trial(1).metrics["accuracy"] < high


def test_a_front_of_one_or_none_needs_no_closer_look() -> None:
    for records in ([], [told_trial(1)]):
        assert not front_figure(records, OBJECTIVES, "macs").layout.updatemenus


@pytest.mark.parametrize(
    ("metrics", "unpruned"),
    [
        ({"params_dense": 10.0, "params_effective": 10.0}, True),
        ({"params_dense": 10.0, "params_effective": 9.0}, False),
        ({"params_dense": 10.0}, False),
        ({}, False),
    ],
)
def test_a_trial_is_unpruned_if_it_kept_all_parameters(metrics: dict[str, float], unpruned: bool) -> None:
    assert is_unpruned(replace(told_trial(0), metrics=metrics)) is unpruned

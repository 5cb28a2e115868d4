"""The front as a picture."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from orchestrator.results.front import Objectives, pareto_front
from orchestrator.results.palette import colors
from orchestrator.tracking.front_picture import picture
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials

THREE: Objectives = {**OBJECTIVES, "params": "minimize"}


def study(objectives: Objectives = OBJECTIVES) -> TrackedStudy:
    return TrackedStudy(uri="unused", artifacts=Path("unused"), name="example", tags={}, objectives=objectives)


def test_the_picture_has_a_plot_for_each_further_objective_and_a_point_for_each_eligible_trial() -> None:
    records = told_trials(12)
    drawn = picture(study(THREE), records, pareto_front(records, THREE))
    assert [axes.get_xlabel() for axes in drawn.axes] == ["effective MACs", "effective parameters"]
    for axes in drawn.axes:
        assert axes.get_ylabel() == "validation accuracy"
        *paradigms, front = [len(np.asarray(points.get_offsets())) for points in axes.collections]
        assert (sum(paradigms), front) == (9, len(pareto_front(records, THREE)))
        (star,) = axes.lines
        assert star.get_marker() == "*"
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=20)
    assert buffer.getvalue().startswith(b"\x89PNG")


def test_two_objectives_join_the_front_by_a_line_from_the_cheapest_on() -> None:
    records = told_trials(4)
    (axes,) = picture(study(), records, pareto_front(records, OBJECTIVES)).axes
    line, _star = axes.lines
    assert np.asarray(line.get_xdata()).tolist() == sorted(record.metrics["macs"] for record in records)
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *colors(record.paradigm for record in records),
        "front",
        "dense network, the reference",
    ]


def test_one_objective_is_drawn_against_itself() -> None:
    only: Objectives = {"accuracy": "maximize"}
    (axes,) = picture(study(only), told_trials(4), pareto_front(told_trials(4), only)).axes
    assert axes.get_xlabel() == axes.get_ylabel() == "validation accuracy"
    assert axes.xaxis.get_major_formatter()(0.97, 0) == "97.00 %"


def test_a_study_without_eligible_trials_makes_an_empty_picture() -> None:
    drawn = picture(study(), [told_trial(4)], [])
    assert drawn.get_suptitle() == "example: 0 of 0 eligible trials on the front"


def test_intervals_over_seeds_are_drawn_where_a_study_asks_for_seeds() -> None:
    again = replace(told_trial(1), trial=9, seed=7, metrics={**told_trial(1).metrics, "accuracy": 0.97})
    records = [told_trial(0), told_trial(1), again]
    for of, drawn in ((study(), 0), (replace(study(), means_within=()), 1)):
        (axes,) = picture(of, records, pareto_front(records, OBJECTIVES)).axes
        assert sum("interval" in str(bar.get_label()) for bar in axes.containers) == drawn


def test_the_line_is_the_front_by_the_mean_where_a_study_asks_for_seeds() -> None:
    first = replace(told_trial(1), seed=1)
    again = replace(first, trial=9, seed=7, metrics={**first.metrics, "accuracy": 0.97})
    drawn = picture(replace(study(), means_within=()), [first, again], pareto_front([first, again], OBJECTIVES))
    (axes,) = drawn.axes
    (line,) = [line for line in axes.lines if line.get_drawstyle().startswith("steps")]
    assert np.asarray(line.get_ydata()).tolist() == [(first.metrics["accuracy"] + 0.97) / 2]
    assert drawn.get_suptitle() == "example: 1 of 1 configurations on the front by the mean over seeds"


def test_a_wide_interval_does_not_stretch_the_axes() -> None:
    first = told_trial(1)
    seeds = [(1, 0.95, 6e5), (8, 0.2, 1e5)]
    records = [
        replace(first, trial=trial, seed=trial, metrics={**first.metrics, "accuracy": accuracy, "macs": macs})
        for trial, accuracy, macs in seeds
    ]
    (axes,) = picture(replace(study(), means_within=()), records, pareto_front(records, OBJECTIVES)).axes
    assert axes.get_ylim()[0] > 0
    assert axes.get_xlim()[0] > 0
    assert [bar for bar in axes.containers if "interval" in str(bar.get_label())]

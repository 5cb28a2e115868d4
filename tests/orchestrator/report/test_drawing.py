"""Figures in a page."""

import re
from dataclasses import replace

from orchestrator.report.chart import Figure
from orchestrator.report.drawing import HEIGHT_OF_A_NAME, HEIGHT_OF_AXES, drawing
from orchestrator.report.figures import cost_figure, front_figure, hypervolume_figure
from orchestrator.results.trials import Trials
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.terminal.printing import SPEC

NUMBERS = {"dense": 0, "lottery_ticket": 1, "magnitude": 2}


def of(figure: Figure) -> str:
    return str(drawing(figure, NUMBERS).html)


def test_the_key_names_each_thing_once_and_paradigms_can_be_hidden() -> None:
    html = of(hypervolume_figure(SPEC, told_trials(8)))
    assert html.count("<figure>") == 3
    assert html.count('data-key="2"') == 1
    assert html.count("dense network, the reference") == 1


def test_a_drawing_has_its_figures_name_and_caption() -> None:
    drawn = drawing(front_figure(Trials(told_trials(4), OBJECTIVES), "macs", "accuracy"), NUMBERS)
    assert 'id="front-accuracy-macs"' in drawn.html
    assert drawn.caption == "Validation accuracy against effective MACs"


def test_a_chart_of_bars_is_as_high_as_the_names_beside_them_need() -> None:
    records = [replace(told_trial(1), trial=number, paradigm=f"paradigm {number}") for number in range(27)]
    heights = [float(height) for height in re.findall(r'viewBox="0 0 320 ([\d.]+)"', of(cost_figure(SPEC, records)))]
    assert len(heights) == 2
    assert all((height - HEIGHT_OF_AXES) / 27 >= HEIGHT_OF_A_NAME for height in heights)
    few = of(cost_figure(SPEC, told_trials(4)))
    assert few.count('viewBox="0 0 320 240"') == 2

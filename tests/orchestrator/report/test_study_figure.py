"""The front of a study as a figure."""

from pathlib import Path

import pytest

from orchestrator.report.study_figure import figure
from tests.orchestrator.commands import a_study
from trainables.errors import InvalidValue


def test_the_figure_shows_the_first_objective_against_another_metric(tmp_path: Path) -> None:
    a_study(tmp_path)
    drawn = figure(tmp_path, "small")
    (axes,) = drawn.axes
    assert axes.get_xlabel() == "effective MACs"
    assert figure(tmp_path, "small", "params").axes[0].get_xlabel() == "effective parameters"
    with pytest.raises(InvalidValue, match=r"x = 'mac': must be one of .*did you mean 'macs'"):
        figure(tmp_path, "small", "mac")

"""Which layers are worth their MACs, as a figure."""

import pytest

from orchestrator.report.chart import Bars, Line
from orchestrator.report.figures.utilisation import utilisation_figure
from orchestrator.results.diagnosis import Diagnosis
from tests.orchestrator.example import told_trial
from trainables.group_use import GroupUse


def group(name: str, fur: float, error: float = 0.001) -> GroupUse:
    return GroupUse(name=name, writers=(name,), channels=8, macs=0.2, rate=0.1, fur=fur, error=error)


GROUPS = (group("conv1", 0.02), group("conv2", -0.003), group("fc", 0.01))
(CHART,) = utilisation_figure(Diagnosis(told_trial(3), 90, GROUPS)).charts
(BARS,) = (layer for layer in CHART.layers if isinstance(layer, Bars))
ERRORS = [layer for layer in CHART.layers if isinstance(layer, Line)]


def test_the_first_group_of_the_network_is_on_top() -> None:
    assert CHART.y.ticks == ((0.0, "fc"), (1.0, "conv2"), (2.0, "conv1"))
    assert BARS.ys == (0.0, 1.0, 2.0)


def test_a_bar_goes_from_zero_to_the_growth_of_the_loss_to_either_side() -> None:
    assert BARS.begins == pytest.approx((0.0, -3.0, 0.0))
    assert BARS.ends == pytest.approx((10.0, 0.0, 20.0))


def test_each_bar_has_its_standard_error_which_the_key_names_once() -> None:
    assert [line.xs for line in ERRORS] == [pytest.approx((g - 1, g + 1)) for g in (10.0, -3.0, 20.0)]
    assert [line.ys for line in ERRORS] == [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]
    assert [line.name for line in ERRORS] == ["standard error of the mean", None, None]


def test_the_axis_holds_bars_errors_and_zero() -> None:
    assert all(CHART.x.holds(end) for line in ERRORS for end in line.xs)
    (wide,) = utilisation_figure(Diagnosis(told_trial(3), 90, (group("fc", 0.5, 0.4),))).charts
    assert wide.x.holds(0.0)
    assert wide.x.holds(900.0)
    assert not wide.x.logarithmic
    assert wide.x.label == "growth of the loss in thousandths"


def test_the_figure_is_named_after_its_trial() -> None:
    figure = utilisation_figure(Diagnosis(told_trial(3), 90, GROUPS))
    assert figure.name == "utilisation-3"
    assert "trial 3" in figure.caption

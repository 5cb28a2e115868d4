"""Figures of a few trials, and of a network's layers."""

from orchestrator.networks.layers import Layer
from orchestrator.report.chart import Line
from orchestrator.ui.figures import curve_figure, layer_charts
from tests.orchestrator.example import told_trials


def test_each_trial_has_a_line_of_its_own_colour() -> None:
    (chart,) = curve_figure(told_trials(3), "accuracy").charts
    assert len({layer.color for layer in chart.named() if isinstance(layer, Line)}) == 3


def test_a_network_is_drawn_from_its_first_layer_down() -> None:
    kept = [Layer("stem", 64, 32, 1000, 500, 100), Layer("head", 10, 10, 640, 320, 320)]
    (_, widths), (label, densities) = layer_charts(kept)
    assert widths.index(">head<") < widths.index(">stem<")
    assert widths.count("<path") == 4
    assert "%" in label
    assert densities.count("<path") == 4

"""Fronts of several studies over each other."""

from orchestrator.report.chart import Line, Points
from orchestrator.report.figures import comparison_figure
from tests.orchestrator.report.test_comparison import comparison


def test_each_group_has_its_members_and_its_border_and_seeds_add_two_dotted_ones() -> None:
    (chart,) = comparison_figure(comparison(), "macs", "accuracy").charts
    points = {layer.name: layer for layer in chart.layers if isinstance(layer, Points)}
    assert {name: len(layer.xs) for name, layer in points.items()} == {"one + two": 12, "other": 6}
    borders = [layer for layer in chart.layers if isinstance(layer, Line)]
    assert [(line.paradigm, line.is_dashed) for line in borders] == [
        ("one + two", True),
        ("one + two", False),
        ("one + two", True),
        ("other", False),
    ]
    assert all(list(line.xs) == sorted(line.xs) for line in borders)
    assert len({layer.colors for layer in points.values()}) == 2

"""What a chart draws, by name."""

from orchestrator.report.chart import Chart, Line, Points


def points_of(chart: Chart, name: str) -> Points:
    (layer,) = [layer for layer in chart.layers if isinstance(layer, Points) and layer.name == name]
    return layer


def line_of(chart: Chart, name: str) -> Line:
    (layer,) = [layer for layer in chart.layers if isinstance(layer, Line) and layer.name == name]
    return layer


def drawn_trials(chart: Chart, *, hollow: bool) -> set[int]:
    """Return the trials with a mark of their own, rings apart."""
    marks = (layer for layer in chart.layers if isinstance(layer, Points) and layer.paradigm is not None)
    return {trial for layer in marks if layer.is_hollow is hollow for trial in layer.trials}

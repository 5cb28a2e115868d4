"""Which hyper-parameters matter, for each objective."""

from collections.abc import Mapping

from orchestrator.report.axes import Axis
from orchestrator.report.chart import Bars, Chart, Figure
from orchestrator.results import quantities
from orchestrator.results.palette import Look

MOST = 12
"""The hyper-parameters that a chart shows."""


def importance_figure(paradigm: str, shares: Mapping[str, Mapping[str, float]], look: Look) -> Figure:
    """Draw how much a paradigm's hyper-parameters matter for each objective, the largest on top."""
    charts = tuple(_chart(metric, of_metric, look) for metric, of_metric in shares.items())
    return Figure(name=f"importance-{paradigm}", caption=f"Which hyper-parameters of {paradigm} matter", charts=charts)


def _chart(metric: str, shares: Mapping[str, float], look: Look) -> Chart:
    largest = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MOST][::-1]
    bars = Bars(
        begins=tuple(0.0 for _ in largest),
        ends=tuple(share for _, share in largest),
        ys=tuple(float(place) for place in range(len(largest))),
        color=look.color,
    )
    label = "importance in %"
    across = Axis.of("fidelity", [share for _, share in largest], label=label, from_zero=True)
    up = Axis.steps("", [name for name, _ in largest])
    return Chart(x=across, y=up, layers=(bars,), title=quantities.name(metric))

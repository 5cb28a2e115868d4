"""What the prices of complexity-aware training lead to: over nu, beta and alpha, where these are searched."""

from collections.abc import Sequence
from itertools import combinations
from typing import Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer, Points
from orchestrator.report.figures.scatter import rings
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, is_eligible, trials_on_front
from orchestrator.results.palette import sequential

PRICES: Final = ("nu", "beta", "alpha")
"""The hyper-parameters that set what complexity costs."""


def price_figure(records: Sequence[TrialRecord], objectives: Objectives) -> Figure:
    """Draw each objective over each pair of prices that differ between trials: the darker, the better."""
    priced = [r for r in records if is_eligible(r, objectives) and any(name in r.params for name in PRICES)]
    searched = [name for name in PRICES if len({record.params.get(name) for record in priced}) > 1]
    members = trials_on_front(records, objectives)
    charts = [
        _chart(priced, pair, metric, objectives, members) for metric in objectives for pair in combinations(searched, 2)
    ]
    caption = "Complexity-aware training: what its prices lead to"
    note = "The darker a point, the better it is in the objective that its chart names; rings are members of the front."
    return Figure(name="prices", caption=caption, charts=tuple(charts), note=note)


def _chart(
    records: Sequence[TrialRecord], pair: tuple[str, str], metric: str, objectives: Objectives, members: set[int]
) -> Chart:
    both = [r for r in records if all(isinstance(r.params.get(name), int | float) for name in pair)]
    xs, ys = (tuple(float(record.params[name]) for record in both) for name in pair)
    values = [record.metrics[metric] for record in both]
    ranked = sorted(values, reverse=objectives[metric] == "minimize")
    shades = tuple(sequential(ranked.index(value) / max(1, len(ranked) - 1)) for value in values)
    places = {record.trial: place for record, place in zip(both, zip(xs, ys, strict=True), strict=True)}
    layers: list[Layer] = [
        Points(xs=xs, ys=ys, trials=tuple(record.trial for record in both), colors=shades, size=5.5),
        rings([record for record in both if record.trial in members], lambda record: places[record.trial]),
    ]
    x, y = (Axis.of("", values, label=name) for name, values in zip(pair, (xs, ys), strict=True))
    return Chart(x=x, y=y, layers=tuple(layers), title=quantities.name(metric))

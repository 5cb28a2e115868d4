"""The study's front beside published results for the same network and data."""

from collections.abc import Sequence

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import SOFT, Chart, Figure, Points
from orchestrator.report.figures.scatter import points
from orchestrator.results.front import Objectives, pareto_front
from orchestrator.results.palette import looks
from orchestrator.results.published import PublishedResult
from orchestrator.results.reference import dense_reference
from orchestrator.results.verification import Change, change_of

COSTS = {"macs": "times fewer MACs", "params": "times fewer parameters"}


def published_figure(
    records: Sequence[TrialRecord], objectives: Objectives, theirs: Sequence[PublishedResult]
) -> Figure:
    """Draw the change in accuracy against how many times fewer MACs and parameters are left: ours, and papers'."""
    charts = [_chart(records, objectives, theirs, cost) for cost in COSTS]
    note = (
        "Theirs are read from papers up to 2019: each has its own training, base network and test split, so points are "
        "not measured alike. Ours are members of this front against the dense trial, on test where that was measured."
    )
    caption = "Beside published results for the same network and data"
    return Figure(name="published", caption=caption, charts=tuple(charts), note=note)


def _chart(
    records: Sequence[TrialRecord], objectives: Objectives, theirs: Sequence[PublishedResult], cost: str
) -> Chart:
    known = [result for result in theirs if cost in result.folds]
    papers = Points(
        xs=tuple(result.folds[cost] for result in known),
        ys=tuple(result.change for result in known),
        trials=(-1,) * len(known),
        colors=(SOFT,),
        marker="X",
        opacity=0.6,
        name="published, theirs" if known else None,
    )
    reference = dense_reference(records)
    front = pareto_front(records, objectives) if reference is not None else []
    ours = [
        points(
            [record for record in front if record.paradigm == paradigm],
            lambda record: _position(change_of(record, reference, cost)),
            look.color,
            marker=look.marker,
            name=paradigm,
            paradigm=paradigm,
        )
        for paradigm, look in looks(record.paradigm for record in records).items()
    ]
    layers = [papers, *(layer for layer in ours if layer.xs)]
    x = Axis.of("", [1.0, *(x for layer in layers for x in layer.xs)], label=COSTS[cost])
    y = Axis.of("accuracy", [0.0, *(y for layer in layers for y in layer.ys)], label="change in accuracy, in points")
    return Chart(x=x, y=y, layers=tuple(layers), title=COSTS[cost])


def _position(change: Change | None) -> tuple[float, float] | None:
    return (change.folds, change.accuracy) if change is not None else None

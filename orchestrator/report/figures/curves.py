"""Learning curves."""

from collections.abc import Iterator, Sequence

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer, Line, Points
from orchestrator.report.figures.scatter import points, star
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, trials_on_front
from orchestrator.results.palette import looks
from orchestrator.results.reference import dense_reference


def curves_figure(records: Sequence[TrialRecord], objectives: Objectives, metric: str) -> Figure:
    """Draw a metric of the epochs: strong lines for the front, pale ones for the rest.

    A hollow mark is an early end, a star that of the dense network, the reference.
    """
    drawn = [record for record in records if _curve(record, metric)]
    values = [value for record in drawn for _, value in _curve(record, metric)]
    epochs = [epoch for record in drawn for epoch, _ in _curve(record, metric)]
    across, up = Axis.of("epoch", [1.0, *epochs], label="epoch"), Axis.of(metric, values)
    layers = tuple(_layers(drawn, objectives, metric))
    name = f"curves-{metric}"
    return Figure(name=name, caption=quantities.name(metric), charts=(Chart(x=across, y=up, layers=layers),))


def _layers(records: Sequence[TrialRecord], objectives: Objectives, metric: str) -> Iterator[Layer]:
    members = trials_on_front(records, objectives)
    looked = looks(record.paradigm for record in records)
    explained: set[str] = set()
    for record in sorted(records, key=lambda record: record.trial in members):
        curve, on_front = _curve(record, metric), record.trial in members
        yield Line(
            xs=tuple(epoch for epoch, _ in curve),
            ys=tuple(value for _, value in curve),
            color=looked[record.paradigm].color,
            width=2.2 if on_front else 1.0,
            opacity=1.0 if on_front else 0.35,
            trial=record.trial,
            name=None if record.paradigm in explained else record.paradigm,
            paradigm=record.paradigm,
        )
        explained.add(record.paradigm)
    for paradigm, look in looked.items():
        early = [r for r in records if r.paradigm == paradigm and r.state in (State.PRUNED, State.FAIL)]
        yield _ends(early, metric, look.color, look.marker, paradigm)
    yield from star(dense_reference(records, objectives), lambda record: _end(record, metric))


def _ends(records: Sequence[TrialRecord], metric: str, color: str, marker: str, paradigm: str) -> Points:
    return points(
        records,
        lambda record: _end(record, metric),
        color,
        marker=marker,
        size=3.5,
        is_hollow=True,
        paradigm=paradigm,
    )


def _end(record: TrialRecord, metric: str) -> tuple[float, float] | None:
    curve = _curve(record, metric)
    return curve[-1] if curve else None


def _curve(record: TrialRecord, metric: str) -> list[tuple[float, float]]:
    return [(float(epoch.epoch), value) for epoch in record.curve if (value := epoch.figure(metric)) is not None]

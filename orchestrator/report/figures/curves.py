"""Learning curves."""

from collections.abc import Iterator, Mapping

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer, Line
from orchestrator.report.figures.scatter import points, star
from orchestrator.results import quantities
from orchestrator.results.trials import Trials

Curve = list[tuple[float, float]]
"""Epochs in their order, each with the value of a metric."""


def curves_figure(trials: Trials, metric: str) -> Figure:
    """Draw a metric of the epochs: strong lines for the front, pale ones for the rest.

    A hollow mark is an early end, a star that of the dense network, the reference.
    """
    curves = {record.trial: curve for record in trials.records if (curve := _curve(record, metric))}
    values = [value for curve in curves.values() for _, value in curve]
    epochs = [epoch for curve in curves.values() for epoch, _ in (curve[0], curve[-1])]
    across, up = Axis.of("epoch", [1.0, *epochs], label="epoch"), Axis.of(metric, values)
    layers = tuple(_layers(trials, curves))
    name = f"curves-{metric}"
    return Figure(name=name, caption=quantities.name(metric), charts=(Chart(x=across, y=up, layers=layers),))


def _layers(trials: Trials, curves: Mapping[int, Curve]) -> Iterator[Layer]:
    drawn = [record for record in trials.records if record.trial in curves]
    explained: set[str] = set()
    for record in sorted(drawn, key=lambda record: record.trial in trials.members):
        epochs, values = zip(*curves[record.trial], strict=True)
        on_front = record.trial in trials.members
        yield Line(
            xs=epochs,
            ys=values,
            color=trials.looks[record.paradigm].color,
            width=2.2 if on_front else 1.0,
            opacity=1.0 if on_front else 0.35,
            trial=record.trial,
            name=None if record.paradigm in explained else record.paradigm,
            paradigm=record.paradigm,
        )
        explained.add(record.paradigm)
    early = [record for record in drawn if record.state in (State.PRUNED, State.FAIL)]
    for paradigm, look in trials.looks.items():
        yield points(
            [record for record in early if record.paradigm == paradigm],
            lambda record: curves[record.trial][-1],
            look.color,
            marker=look.marker,
            size=3.5,
            is_hollow=True,
            paradigm=paradigm,
        )
    yield from star(trials.reference, lambda record: curves[record.trial][-1] if record.trial in curves else None)


def _curve(record: TrialRecord, metric: str) -> Curve:
    return [(float(epoch.epoch), value) for epoch in record.curve if (value := epoch.figure(metric)) is not None]

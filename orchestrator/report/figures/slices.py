"""Which hyper-parameters led where: an objective against each of them, for one paradigm's trials."""

from collections.abc import Container, Sequence

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer
from orchestrator.report.figures.scatter import Placing, points, rings
from orchestrator.results import quantities
from orchestrator.results.front import Objectives, is_eligible
from orchestrator.results.palette import Look
from trainables.spec import Value

ABSENT = "none"
STEPS = 6
"""Up to how many whole numbers are drawn as steps."""


def slice_figure(records: Sequence[TrialRecord], objectives: Objectives, look: Look, members: Container[int]) -> Figure:
    """Draw the eligible trials of one paradigm: the first objective against each hyper-parameter that differs.

    Rings mark the `members` of the front. A hyper-parameter that does not apply to a trial is left out or, among
    names, drawn at ``none``; one that spans decades is logarithmic.
    """
    eligible = [record for record in records if is_eligible(record, objectives)]
    names = dict.fromkeys(name for record in eligible for name in record.params)
    differing = [name for name in names if len({record.params.get(name) for record in eligible}) > 1]
    first = next(iter(objectives))
    charts = tuple(_chart(eligible, name, first, look, members) for name in differing)
    paradigm = records[0].paradigm
    caption = f"{quantities.name(first)} against each hyper-parameter of {paradigm}, {len(eligible)} eligible trials"
    return Figure(name=f"slices-{paradigm}", caption=caption, charts=charts)


def _chart(records: Sequence[TrialRecord], name: str, y: str, look: Look, members: Container[int]) -> Chart:
    values = {record.trial: record.params.get(name) for record in records}
    axis, placing = _axis(name, values, y)
    on_front = [record for record in records if record.trial in members]
    layers: list[Layer] = [
        points(records, placing, look.color, marker=look.marker, opacity=0.7),
        rings(on_front, placing),
    ]
    up = Axis.of(y, (record.metrics[y] for record in records))
    return Chart(x=axis, y=up, layers=tuple(layers), title=name)


def _axis(name: str, values: dict[int, Value | None], y: str) -> tuple[Axis, Placing]:
    """Return the axis of a hyper-parameter, and what places a trial against it."""
    present = {value for value in values.values() if value is not None}
    textual = any(isinstance(value, bool | str) for value in present)
    if textual or (len(present) <= STEPS and all(isinstance(value, int) for value in present)):
        known = sorted(set(values.values()), key=_order)
        axis = Axis.steps(name, [ABSENT if value is None else plain(value) for value in known])
        steps = {trial: float(known.index(value)) for trial, value in values.items()}
        return axis, lambda record: (steps[record.trial], record.metrics[y])
    numbers = {trial: float(value) for trial, value in values.items() if value is not None}
    axis = Axis.of("", numbers.values(), label=name)
    return axis, lambda record: (numbers[record.trial], record.metrics[y]) if record.trial in numbers else None


def plain(value: Value) -> str:
    """Return a hyper-parameter as people write it."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _order(value: Value | None) -> tuple[bool, bool, str, float]:
    """Return the key that puts absent values first, then numbers, then text."""
    is_text = isinstance(value, str)
    return value is not None, is_text, str(value) if is_text else "", float(value or 0) if not is_text else 0.0

"""Three metrics at once: two along the axes, the third as colour; and the third against each of the two."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Points
from orchestrator.results import quantities
from orchestrator.results.axis_range import place, spans_decades
from orchestrator.results.compare import Comparison
from orchestrator.results.front import Objectives, is_eligible
from orchestrator.results.palette import sequential

Marks = Mapping[int, Mapping[str, float]]
"""The metrics of what is drawn, by the number of its mark."""

STEPS: Final = 5
"""How many colours the values of the third metric are shared out among."""

ROBUST: Final = "accuracy@corrupted_"
"""Begins the columns that are drawn without being asked for: the mean accuracy over corruptions of a severity."""


def third_metrics(records: Sequence[TrialRecord], objectives: Objectives) -> list[str]:
    """Return what is shown as colour unless a reader chooses: objectives from the third on, then robustness."""
    evaluated = {name for record in records for name in record.metrics if name.startswith(ROBUST)}
    return [*list(objectives)[2:], *sorted(name for name in evaluated if name[len(ROBUST) :].isdigit())]


def colored_figure(records: Sequence[TrialRecord], objectives: Objectives, third: str) -> Figure:
    """Draw the eligible trials in the first two objectives, coloured by a third metric, and in each pair with it."""
    y, x = axes_of(objectives, third)
    marks = {r.trial: r.metrics for r in records if is_eligible(r, objectives) and {x, y, third} <= r.metrics.keys()}
    charts = tuple(_chart(marks, marks, *pair, third) for pair in ((x, y), (x, third), (y, third)))
    return Figure(name=f"colored-{third}".replace(":", "-"), caption=caption(x, y, third), charts=charts)


def colored_fronts(comparison: Comparison, third: str) -> Figure:
    """Draw the fronts that are compared beside each other, each coloured by a third metric on the same scales.

    A mark's trial is its number among the comparison's `members`.
    """
    y, x = axes_of(comparison.objectives, third)
    numbered = {number: (entry, record) for number, (entry, record) in enumerate(comparison.members)}
    marks = {n: record.metrics for n, (_, record) in numbered.items() if {x, y, third} <= record.metrics.keys()}
    charts = []
    for group in comparison.groups:
        names = {entry.spec.name for entry in group.entries}
        of_group = {n: of for n, of in marks.items() if numbered[n][0].spec.name in names}
        charts.append(_chart(of_group, marks, x, y, third, title=group.name))
    return Figure(name=f"colored-{third}".replace(":", "-"), caption=caption(x, y, third), charts=tuple(charts))


def axes_of(objectives: Objectives, third: str) -> tuple[str, str]:
    """Return what lies along the axes, as (y, x): the first two objectives that are not the third metric, or MACs."""
    names = [name for name in [*objectives, "macs", "params", "accuracy"] if name != third]
    y, x = list(dict.fromkeys(names))[:2]
    return y, x


def caption(x: str, y: str, third: str) -> str:
    """Return what such a figure shows, in words."""
    return f"{quantities.name(y)} against {quantities.name(x)}, coloured by {quantities.name(third)}"


def _chart(marks: Marks, scale: Marks, x: str, y: str, third: str, title: str = "") -> Chart:
    """Return a chart of some marks, on the axes and in the colours of all on its scale."""
    axes = (Axis.of(name, (of[name] for of in scale.values())) for name in (x, y))
    return Chart(x=next(axes), y=next(axes), layers=tuple(_layers(marks, scale, x, y, third)), title=title)


def _layers(marks: Marks, scale: Marks, x: str, y: str, third: str) -> Iterator[Points]:
    """Yield the marks of each colour, which the key names by its range of values."""
    shares = _Shares.of([of[third] for of in scale.values() if math.isfinite(of[third])])
    for step in range(shares.count):
        begin, end = shares.edge(step), shares.edge(step + 1)
        inside = [n for n, of in marks.items() if shares.step(of[third]) == step]
        yield Points(
            xs=tuple(marks[n][x] for n in inside),
            ys=tuple(marks[n][y] for n in inside),
            trials=tuple(inside),
            colors=(sequential(step / (STEPS - 1)),),
            name=f"{quantities.show(third, begin)} to {quantities.show(third, end)}",
        )


@dataclass(frozen=True)
class _Shares:
    """How values are shared out among colours: evenly, or evenly by their logarithms, as along an axis."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(min(values, default=0.0), max(values, default=0.0), spans_decades(values))

    @property
    def count(self) -> int:
        return STEPS if self.high > self.low else 1

    def edge(self, step: int) -> float:
        """Return where the values of a colour begin, and those of the one before end."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** (step / STEPS))
        return self.low + (self.high - self.low) * step / STEPS

    def step(self, value: float) -> int:
        """Return the number of the colour of a value; -1 for one that is not finite."""
        if not math.isfinite(value):
            return -1
        if self.count == 1:
            return 0
        return min(STEPS - 1, int(STEPS * place(value, (self.low, self.high), logarithmic=self.logarithmic)))

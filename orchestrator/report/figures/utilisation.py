"""Which layers of a network are worth their MACs."""

from collections.abc import Iterator, Sequence
from typing import Final

from orchestrator.report.axes import Axis
from orchestrator.report.chart import INK, Bars, Chart, Figure, Line
from orchestrator.results.diagnosis import Diagnosis
from orchestrator.results.palette import COLORS
from trainables.group_use import GroupUse

THOUSANDTHS: Final = 1e3
GROWTH: Final = "growth of the loss in thousandths"


def utilisation_figure(diagnosis: Diagnosis) -> Figure:
    """Draw by how much the loss grows if channels of a group are dropped, the network's first group on top."""
    groups = diagnosis.groups[::-1]
    grown = [THOUSANDTHS * group.fur for group in groups]
    bars = Bars(
        begins=tuple(min(0.0, growth) for growth in grown),
        ends=tuple(max(0.0, growth) for growth in grown),
        ys=tuple(float(place) for place in range(len(groups))),
        color=COLORS[0],
        name="mean growth",
    )
    errors = tuple(_errors(groups))
    across = Axis.of("", [0.0, *grown, *(end for line in errors for end in line.xs)], label=GROWTH)
    up = Axis.steps("written by", [group.name for group in groups])
    trial = diagnosis.record.trial
    caption = f"How well each group of channels of trial {trial} uses its MACs"
    return Figure(name=f"utilisation-{trial}", caption=caption, charts=(Chart(x=across, y=up, layers=(bars, *errors)),))


def _errors(groups: Sequence[GroupUse]) -> Iterator[Line]:
    for place, group in enumerate(groups):
        ends = (THOUSANDTHS * (group.fur - group.error), THOUSANDTHS * (group.fur + group.error))
        height = (float(place), float(place))
        yield Line(xs=ends, ys=height, color=INK, name="standard error of the mean" if place == 0 else None)

"""Fronts of several studies over each other, and what studies that differ only in their seed attain."""

from collections.abc import Iterator

from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer, Line, Points
from orchestrator.results import quantities
from orchestrator.results.compare import Comparison, Group
from orchestrator.results.front import Objectives, sign
from orchestrator.results.front import Points as Losses
from orchestrator.results.palette import Look, looks


def comparison_figure(comparison: Comparison, x: str, y: str) -> Figure:
    """Draw the fronts of all groups over each other, in two of the objectives.

    With two objectives, a line is the border of what a group attains: the median surface, where it has several seeds,
    with the best and the worst dashed.
    """
    looked = looks(group.name for group in comparison.groups)
    layers = tuple(layer for group in comparison.groups for layer in _of_group(group, looked[group.name], x, y))
    points = [layer for layer in layers if isinstance(layer, Points)]
    across = Axis.of(x, (value for layer in points for value in layer.xs))
    up = Axis.of(y, (value for layer in points for value in layer.ys))
    caption = f"{quantities.name(y)} against {quantities.name(x)}"
    return Figure(name=f"fronts-{y}-{x}", caption=caption, charts=(Chart(x=across, y=up, layers=layers),))


def _of_group(group: Group, look: Look, x: str, y: str) -> Iterator[Layer]:
    if set(group.objectives) == {x, y}:
        yield from _borders(group, look, x, y)
    members = [record for entry in group.entries for record in entry.front]
    yield Points(
        xs=tuple(record.metrics[x] for record in members),
        ys=tuple(record.metrics[y] for record in members),
        trials=(-1,) * len(members),
        colors=(look.color,),
        marker=look.marker,
        name=group.name,
        paradigm=group.name,
    )


def _borders(group: Group, look: Look, x: str, y: str) -> Iterator[Line]:
    several = len(group.entries) > 1
    for name, surface in group.surfaces.items():
        if several or name == "median":
            xs, ys = _values(surface, group.objectives, x, y)
            yield Line(
                xs=xs,
                ys=ys,
                color=look.color,
                is_step=True,
                is_dashed=name != "median",
                width=1.8 if name == "median" else 1.2,
                paradigm=group.name,
            )


def _values(surface: Losses, objectives: Objectives, x: str, y: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a surface in the objectives' own units, in the order in which its border goes along before it goes up."""
    names = list(objectives)
    values = {name: sign(objectives[name]) * surface[:, index] for index, name in enumerate(names)}
    order = surface[:, names.index(x)].argsort(kind="stable")
    return tuple(map(float, values[x][order])), tuple(map(float, values[y][order]))

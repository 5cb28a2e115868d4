"""Fronts of several studies over each other, and what studies that differ only in their seed attain."""

from collections.abc import Iterator, Mapping

from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer, Line, Points
from orchestrator.report.figures.intervals import crosses
from orchestrator.results import quantities
from orchestrator.results.compare import Comparison, Group
from orchestrator.results.front import Objectives, sign
from orchestrator.results.front import Points as Losses
from orchestrator.results.palette import Look, looks


def comparison_figure(comparison: Comparison, x: str, y: str) -> Figure:
    """Draw the fronts of all groups over each other, in two of the objectives.

    A mark's trial is its number among the comparison's `members`.

    With two objectives, a line is the border of what a group attains: the median surface, where it has several seeds,
    with the best and the worst dashed.
    """
    looked = looks(group.name for group in comparison.groups)
    numbers = {(entry.spec.name, record.trial): n for n, (entry, record) in enumerate(comparison.members)}
    members = [record.metrics for _, record in comparison.members]
    box = Axis.of(x, (of[x] for of in members)), Axis.of(y, (of[y] for of in members))
    configurations = [group for entry in comparison.entries for group in entry.configurations]
    layers = (layer for group in comparison.groups for layer in _of_group(group, looked[group.name], numbers, x, y))
    chart = Chart(x=box[0], y=box[1], layers=(*crosses(configurations, x, y, box), *layers))
    caption = f"{quantities.name(y)} against {quantities.name(x)}{', means over seeds' if comparison.by_mean else ''}"
    return Figure(name=f"fronts-{y}-{x}", caption=caption, charts=(chart,))


def _of_group(group: Group, look: Look, numbers: Mapping[tuple[str, int], int], x: str, y: str) -> Iterator[Layer]:
    if set(group.objectives) == {x, y}:
        yield from _borders(group, look, x, y)
    members = [(entry.spec.name, record) for entry in group.entries for record in entry.front]
    yield Points(
        xs=tuple(record.metrics[x] for _, record in members),
        ys=tuple(record.metrics[y] for _, record in members),
        trials=tuple(numbers[study, record.trial] for study, record in members),
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

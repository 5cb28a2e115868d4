"""A comparison of studies, for the terminal and for programs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Group as Together
from rich.console import RenderableType
from rich.text import Text

from orchestrator.results import quantities
from orchestrator.results.attainment import Lead
from orchestrator.results.compare import Comparison, Group
from orchestrator.results.front import Points, sign, spread
from orchestrator.results.summary import summarize
from orchestrator.terminal.headed_table import HeadedTable
from orchestrator.terminal.tables import MOST_ROWS, configuration, measured

FEW_RANGES: Final = 4
"""The ranges that a comparison shows which is not in full."""


def comparison_lines(comparison: Comparison, *, in_full: bool = True) -> RenderableType:
    """Return what differs, the fronts beside each other, what each study dominates, and which is best where.

    Unless `in_full`, it is about twenty lines for two studies: without the fronts and what seeds attain, and with few
    of the ranges.
    """
    parts: list[RenderableType] = [*_differences(comparison), *_means(comparison), _studies(comparison)]
    parts += [_fronts(comparison)] if in_full else []
    if len(comparison.groups) > 1:
        parts += [_coverages(comparison), *_leads(comparison, MOST_ROWS if in_full else FEW_RANGES)]
    seeds = [group for group in comparison.groups if len(group.entries) > 1]
    parts += [_seeds(comparison, group) if in_full else _seeds_in_short(group) for group in seeds]
    return Together(*parts)


def _means(comparison: Comparison) -> Iterator[Text]:
    if comparison.by_mean:
        yield Text("Configurations are compared by their means over seeds; --trials compares single trials")


def _seeds_in_short(group: Group) -> Text:
    spread = f"standard deviation {group.deviation:.4f}"
    return Text(f"{group.name}: {len(group.entries)} seeds, hypervolume {group.mean:.4f} on average, {spread}")


def _differences(comparison: Comparison) -> Iterator[Text]:
    grounds = comparison.grounds
    if grounds:
        yield Text("These fronts are not fully comparable, because the studies differ in:", style="bold red")
    for key, values in grounds.items():
        yield Text(f"  {key}: {_by_value(values)}")
    others = [key for key in comparison.differences if key not in grounds]
    if others:
        yield Text(f"They differ in {', '.join(others)}", style="dim")
    if not comparison.differences:
        yield Text("They differ only in their seed", style="dim")


def _studies(comparison: Comparison) -> RenderableType:
    corner = ", ".join(
        f"{quantities.name(k)} {quantities.show(k, worst)}" for k, (worst, _) in comparison.within.items()
    )
    shown = HeadedTable(f"Hypervolume, as a share of the box up to the common reference: {corner}")
    for name in ("study", "trials done", "eligible", "on its front", "hypervolume"):
        shown.add_column(name, justify="left" if name == "study" else "right")
    for group in comparison.groups:
        for entry, volume in zip(group.entries, group.hypervolumes, strict=True):
            summary = summarize(entry.spec, entry.records)
            done = f"{summary.told} of {summary.trials}"
            eligible, members = len(entry.competing.eligible), len(entry.front)
            shown.add_row(entry.spec.name, done, str(eligible), str(members), f"{volume:.4f}")
    return shown


def _fronts(comparison: Comparison) -> RenderableType:
    most = max(1, MOST_ROWS // len(comparison.entries))
    shortened = [entry for entry in comparison.entries if len(entry.front) > most]
    members = [(e, record) for e in comparison.entries for record in spread(e.front, comparison.objectives, most)]
    members.sort(key=lambda member: [sign(d) * member[1].metrics[name] for name, d in comparison.objectives.items()])
    shown = HeadedTable("The fronts beside each other")
    for name in ("study", "trial", "paradigm", *map(quantities.name, comparison.objectives), "dominated by"):
        shown.add_column(name, justify="left" if name in ("study", "paradigm", "dominated by") else "right")
    shown.add_column("hyper-parameters", overflow="fold")
    for entry, record in members:
        figures = (measured(name, record.metrics, entry.competing.reference) for name in comparison.objectives)
        beaten = ", ".join(comparison.beaten_by(entry, record)) or "none"
        chosen = Text(configuration(entry.spec, record), style="dim")
        style = "dim" if beaten != "none" else ""
        shown.add_row(entry.spec.name, str(record.trial), record.paradigm, *figures, beaten, chosen, style=style)
    names = ", ".join(entry.spec.name for entry in shortened)
    more = f"{most} members of each long front, spread over it ({names}); --json gives all of them"
    return Together(shown, Text(more)) if shortened else shown


def _coverages(comparison: Comparison) -> RenderableType:
    shown = HeadedTable("How much of each column's front does each row's front attain or beat?")
    shown.add_column("")
    for column in comparison.groups:
        shown.add_column(column.name, justify="right")
    for row in comparison.groups:
        shares = (comparison.coverage(row, column) for column in comparison.groups)
        cells = ["" if row is c else _share(share) for c, share in zip(comparison.groups, shares, strict=True)]
        shown.add_row(row.name, *cells)
    return shown


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def _leads(comparison: Comparison, most: int) -> Iterator[RenderableType]:
    parts = comparison.leads()
    if not parts:
        return
    first, second = list(comparison.objectives)[:2]
    limit, end = ("required", "to above") if comparison.objectives[second] == "maximize" else ("allowed", "to below")
    shown = HeadedTable(
        f"Which attains the best {quantities.name(first)}, by the {quantities.name(second)} that is {limit}"
    )
    for name in ("from", end, "best"):
        shown.add_column(name, justify="left" if name == "best" else "right")
    for group in comparison.groups:
        shown.add_column(group.name, justify="right")
    for part in parts[:most]:
        ends = [_value(comparison, 1, part.begin), _value(comparison, 1, part.end)]
        shown.add_row(*ends, ", ".join(part.best), *(_attained(comparison, part, group) for group in comparison.groups))
    yield shown
    if len(parts) > most:
        yield Text(f"{most} of {len(parts)} ranges; --json gives all of them")


def _attained(comparison: Comparison, part: Lead, group: Group) -> str:
    ends = dict.fromkeys(_value(comparison, 0, loss) for loss in part.attained[group.name])
    return " to ".join(ends)


def _value(comparison: Comparison, index: int, loss: float) -> str:
    name = list(comparison.objectives)[index]
    return "-" if math.isinf(loss) else quantities.show(name, sign(comparison.objectives[name]) * loss)


def _seeds(comparison: Comparison, group: Group) -> RenderableType:
    count = len(group.entries)
    spread = f"{group.mean:.4f} on average, standard deviation {group.deviation:.4f}"
    shown = HeadedTable(f"{group.name}: what {count} seeds attain; hypervolume {spread}")
    shown.add_column("attained by")
    for name in comparison.objectives:
        shown.add_column(quantities.name(name), justify="right")
    most = MOST_ROWS // len(group.surfaces)
    attained_by = {"best": "at least one", "median": f"half of them ({math.ceil(count / 2)})", "worst": "all"}
    for name, surface in group.surfaces.items():
        for row, goal in enumerate(surface[:most]):
            cells = (_value(comparison, index, loss) for index, loss in enumerate(goal))
            shown.add_row("" if row else attained_by[name], *cells)
        if len(surface) > most:
            shown.add_row(f"{len(surface) - most} more; --json gives all")
        shown.add_section()
    return shown


def _by_value(values: Mapping[str, object]) -> str:
    named: dict[str, list[str]] = {}
    for study, value in values.items():
        named.setdefault(_setting(value), []).append(study)
    return "; ".join(f"{value} in {', '.join(studies)}" for value, studies in named.items())


def _setting(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def as_object(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for programs. Losses become values in the objectives' own units; infinity becomes None."""
    return {
        "objectives": dict(comparison.objectives),
        "by_mean": comparison.by_mean,
        "reference": {name: worst for name, (worst, _) in comparison.within.items()},
        "ideal": {name: ideal for name, (_, ideal) in comparison.within.items()},
        "comparable": not comparison.grounds,
        "not_comparable_for": comparison.grounds,
        "differences": comparison.differences,
        "groups": [_group_object(comparison, group) for group in comparison.groups],
        "coverage": {
            o.name: {p.name: _finite(comparison.coverage(o, p)) for p in comparison.groups} for o in comparison.groups
        },
        "leads": [_lead_object(comparison, part) for part in comparison.leads()],
    }


def _group_object(comparison: Comparison, group: Group) -> dict[str, Any]:
    volumes = zip(group.entries, group.hypervolumes, strict=True)
    return {
        "name": group.name,
        "studies": [
            {
                "study": entry.spec.name,
                "seed": entry.spec.seed,
                "hypervolume": volume,
                "front": [
                    {
                        "trial": record.trial,
                        "paradigm": record.paradigm,
                        **{name: record.metrics[name] for name in comparison.objectives},
                        "hyperparameters": dict(record.params),
                        "metrics": {name: record.metrics[name] for name in comparison.objectives},
                        "dominated_by": comparison.beaten_by(entry, record),
                    }
                    for record in entry.front
                ],
            }
            for entry, volume in volumes
        ],
        "hypervolume": {"mean": group.mean, "deviation": _finite(group.deviation)},
        "attainment": {name: _values(comparison, surface) for name, surface in group.surfaces.items()},
    }


def _lead_object(comparison: Comparison, part: Lead) -> dict[str, Any]:
    signs = [sign(direction) for direction in comparison.objectives.values()]
    return {
        "from": _finite(signs[1] * part.begin),
        "to": _finite(signs[1] * part.end),
        "best": list(part.best),
        "attained": {name: [_finite(signs[0] * loss) for loss in ends] for name, ends in part.attained.items()},
    }


def _values(comparison: Comparison, surface: Points) -> list[dict[str, float]]:
    named: Sequence[tuple[str, int]] = [(name, sign(direction)) for name, direction in comparison.objectives.items()]
    return [{name: s * float(loss) for (name, s), loss in zip(named, goal, strict=True)} for goal in surface]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

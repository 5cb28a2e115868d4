"""A comparison of studies, for the terminal and for programs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group as Together
from rich.console import RenderableType
from rich.text import Text

from orchestrator.results import quantities
from orchestrator.results.attainment import Lead
from orchestrator.results.compare import Comparison, Group
from orchestrator.results.front import Points, is_eligible, sign, spread
from orchestrator.results.summary import summarize
from orchestrator.terminal.tables import MOST_ROWS, configuration, measured, titled


def comparison(found: Comparison) -> RenderableType:
    """Return what differs, the fronts beside each other, what each study dominates, and who is best where."""
    parts: list[RenderableType] = [*_words(found), _studies(found), _fronts(found)]
    if len(found.groups) > 1:
        parts += [_coverages(found), *_leads(found)]
    parts += [_seeds(found, group) for group in found.groups if len(group.entries) > 1]
    return Together(*parts)


def _words(found: Comparison) -> Iterator[Text]:
    grounds = found.grounds
    if grounds:
        yield Text("These fronts are not fully comparable, because the studies differ in:", style="bold red")
    for key, values in grounds.items():
        yield Text(f"  {key}: {_by_value(values)}")
    others = [key for key in found.differences if key not in grounds]
    if others:
        yield Text(f"They differ in {', '.join(others)}", style="dim")
    if not found.differences:
        yield Text("They differ only in their seed", style="dim")


def _studies(found: Comparison) -> RenderableType:
    corner = ", ".join(f"{quantities.name(k)} {quantities.show(k, worst)}" for k, (worst, _) in found.within.items())
    shown = titled(f"Hypervolume, as a share of the box up to the common reference: {corner}")
    for name in ("study", "trials done", "whole", "on its front", "hypervolume"):
        shown.add_column(name, justify="left" if name == "study" else "right")
    for group in found.groups:
        for entry, volume in zip(group.entries, group.hypervolumes, strict=True):
            summary = summarize(entry.spec, entry.records)
            whole = sum(is_eligible(record, found.objectives) for record in entry.records)
            done = f"{summary.told} of {summary.trials}"
            shown.add_row(entry.spec.name, done, str(whole), str(len(entry.front)), f"{volume:.4f}")
    return shown


def _fronts(found: Comparison) -> RenderableType:
    most = max(1, MOST_ROWS // len(found.entries))
    shortened = [entry for entry in found.entries if len(entry.front) > most]
    members = [(e, record) for e in found.entries for record in spread(e.front, found.objectives, most)]
    members.sort(key=lambda one: [sign(d) * one[1].metrics[name] for name, d in found.objectives.items()])
    shown = titled("The fronts beside each other")
    for name in ("study", "trial", "paradigm", *map(quantities.name, found.objectives), "dominated by"):
        shown.add_column(name, justify="left" if name in ("study", "paradigm", "dominated by") else "right")
    shown.add_column("hyper-parameters", overflow="fold")
    for entry, record in members:
        figures = (measured(name, record.metrics) for name in found.objectives)
        beaten = ", ".join(found.beaten_by(entry, record)) or "none"
        chosen = Text(configuration(entry.spec, record), style="dim")
        style = "dim" if beaten != "none" else ""
        shown.add_row(entry.spec.name, str(record.trial), record.paradigm, *figures, beaten, chosen, style=style)
    names = ", ".join(entry.spec.name for entry in shortened)
    more = f"{most} members of each long front, spread over it ({names}); --json gives all of them"
    return Together(shown, Text(more)) if shortened else shown


def _coverages(found: Comparison) -> RenderableType:
    shown = titled("How much of each column's front does each row's front attain or beat?")
    shown.add_column("")
    for other in found.groups:
        shown.add_column(other.name, justify="right")
    for one in found.groups:
        shares = (found.coverage(one, other) for other in found.groups)
        cells = ["" if one is o else _share(share) for o, share in zip(found.groups, shares, strict=True)]
        shown.add_row(one.name, *cells)
    return shown


def _share(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def _leads(found: Comparison) -> Iterator[RenderableType]:
    parts = found.leads()
    if not parts:
        return
    first, second = list(found.objectives)[:2]
    shown = titled(f"Who attains the best {quantities.name(first)}, by the {quantities.name(second)} that may be spent")
    for name in ("from", "to below", "best"):
        shown.add_column(name, justify="left" if name == "best" else "right")
    for group in found.groups:
        shown.add_column(group.name, justify="right")
    for part in parts[:MOST_ROWS]:
        ends = [_value(found, 1, part.begin), _value(found, 1, part.end)]
        shown.add_row(*ends, ", ".join(part.best), *(_attained(found, part, group) for group in found.groups))
    yield shown
    if len(parts) > MOST_ROWS:
        yield Text(f"{MOST_ROWS} of {len(parts)} ranges; --json gives all of them")


def _attained(found: Comparison, part: Lead, group: Group) -> str:
    ends = dict.fromkeys(_value(found, 0, loss) for loss in part.attained[group.name])
    return " to ".join(ends)


def _value(found: Comparison, place: int, loss: float) -> str:
    name = list(found.objectives)[place]
    return "-" if math.isinf(loss) else quantities.show(name, sign(found.objectives[name]) * loss)


def _seeds(found: Comparison, group: Group) -> RenderableType:
    count = len(group.entries)
    spread = f"{group.mean:.4f} on average, standard deviation {group.deviation:.4f}"
    shown = titled(f"{group.name}: what {count} seeds attain; hypervolume {spread}")
    shown.add_column("attained by")
    for name in found.objectives:
        shown.add_column(quantities.name(name), justify="right")
    most = MOST_ROWS // len(group.surfaces)
    words = {"best": "at least one", "median": f"half of them ({math.ceil(count / 2)})", "worst": "all"}
    for name, surface in group.surfaces.items():
        for row, goal in enumerate(surface[:most]):
            cells = (_value(found, place, loss) for place, loss in enumerate(goal))
            shown.add_row("" if row else words[name], *cells)
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


def as_object(found: Comparison) -> dict[str, Any]:
    """Return a comparison for programs. Losses become values in the objectives' own units; infinity becomes None."""
    return {
        "objectives": dict(found.objectives),
        "reference": {name: worst for name, (worst, _) in found.within.items()},
        "ideal": {name: ideal for name, (_, ideal) in found.within.items()},
        "comparable": not found.grounds,
        "not_comparable_for": found.grounds,
        "differences": found.differences,
        "groups": [_group_object(found, group) for group in found.groups],
        "coverage": {o.name: {p.name: _finite(found.coverage(o, p)) for p in found.groups} for o in found.groups},
        "leads": [_lead_object(found, part) for part in found.leads()],
    }


def _group_object(found: Comparison, group: Group) -> dict[str, Any]:
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
                        "params": dict(record.params),
                        **{name: record.metrics[name] for name in found.objectives},
                        "dominated_by": found.beaten_by(entry, record),
                    }
                    for record in entry.front
                ],
            }
            for entry, volume in volumes
        ],
        "hypervolume": {"mean": group.mean, "deviation": _finite(group.deviation)},
        "attainment": {name: _values(found, surface) for name, surface in group.surfaces.items()},
    }


def _lead_object(found: Comparison, part: Lead) -> dict[str, Any]:
    signs = [sign(direction) for direction in found.objectives.values()]
    return {
        "from": _finite(signs[1] * part.begin),
        "to": _finite(signs[1] * part.end),
        "best": list(part.best),
        "attained": {name: [_finite(signs[0] * loss) for loss in ends] for name, ends in part.attained.items()},
    }


def _values(found: Comparison, surface: Points) -> list[dict[str, float]]:
    named: Sequence[tuple[str, int]] = [(name, sign(direction)) for name, direction in found.objectives.items()]
    return [{name: s * float(loss) for (name, s), loss in zip(named, goal, strict=True)} for goal in surface]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None

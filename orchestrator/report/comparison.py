"""A comparison of studies as one page: their fronts over each other, and what each attains of the others."""

import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from markupsafe import Markup

from orchestrator.ledger.records import TrialRecord
from orchestrator.report import page
from orchestrator.report.chart import Figure
from orchestrator.report.drawing import drawing
from orchestrator.report.figures import colored_fronts, comparison_figure, third_metrics
from orchestrator.report.trial_text import as_json, mean_text, trial_text
from orchestrator.results.compare import Comparison, Entry, Group
from orchestrator.results.front import sign


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write the page atomically; the same studies give the same page."""
    page.write(render_comparison(comparison), path)


def render_comparison(comparison: Comparison) -> str:
    """Return the page."""
    numbers = {name: number for number, name in enumerate(sorted(group.name for group in comparison.groups))}

    def share(row: Group, column: Group) -> str:
        covered = comparison.coverage(row, column)
        return "-" if math.isnan(covered) else f"{covered:.0%}"

    return page.template("comparison.html").render(
        names=[entry.spec.name for entry in comparison.entries],
        groups=comparison.groups,
        grounds=list(comparison.grounds),
        differences=list(comparison.differences),
        drawings=[drawing(figure, numbers) for figure in comparison_figures(comparison)],
        share=share,
        objectives=list(comparison.objectives),
        members=list(_members(comparison)),
        by_mean=comparison.by_mean,
        trials=Markup(as_json({str(number): text for number, text in enumerate(_texts(comparison))})),
    )


def comparison_figures(comparison: Comparison) -> list[Figure]:
    """Return the fronts in each pair of objectives, then coloured by a third; of one objective there is none."""
    pairs = [comparison_figure(comparison, x, y) for y, x in combinations(comparison.objectives, 2)]
    members = [record for _, record in comparison.members]
    colored = (colored_fronts(comparison, third) for third in third_metrics(members, comparison.objectives))
    return [*pairs, *(figure for figure in colored if pairs and not figure.is_empty)]


def _members(comparison: Comparison) -> Iterator[tuple[Entry, TrialRecord, list[str]]]:
    """Yield the members of all fronts, best first, each with the studies that have a trial which dominates it."""
    members, objectives = list(comparison.members), comparison.objectives
    members.sort(key=lambda member: [sign(d) * member[1].metrics[name] for name, d in objectives.items()])
    for entry, record in members:
        yield entry, record, comparison.beaten_by(entry, record)


def _texts(comparison: Comparison) -> Iterator[str]:
    """Yield what is said of each of the comparison's `members` under the pointer."""
    for entry in comparison.entries:
        texts = map(mean_text, entry.configurations) if entry.by_mean else map(trial_text, entry.front)
        yield from (f"{entry.spec.name}\n{text}" for text in texts)

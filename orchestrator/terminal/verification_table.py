"""Published results and a study's answers to them, as a table for the terminal."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from orchestrator.results.verification import Change, Verification
from orchestrator.terminal.fitted_table import Column, FittedTable

COSTS: Final = {"macs": "MACs", "params": "parameters"}

LONGEST_TITLE: Final = 28
"""The letters of a paper's title that are shown; all of them are in the JSON."""

NOTES: Final = (
    "Changes are in points of accuracy against the dense network: theirs as published, ours on test where measured.",
    "Ours has at least as many times fewer of the cost, and of such networks the best validation accuracy.",
    "Each paper has its own training, base network and test split, and ours is one seed: a verdict is no measurement.",
)


def verification_table(answers: Sequence[Verification]) -> RenderableType:
    """Return a row for each published result, after how many were reached."""
    counts = {verdict: sum(each.verdict == verdict for each in answers) for verdict in ("reached", "behind")}
    rest = len(answers) - sum(counts.values())
    told = f"{counts['reached']} reached, {counts['behind']} behind, {rest} smaller than any of ours"
    title = f"{len(answers)} published results: {told}"
    columns = (
        Column(heading="published", cells=tuple(_title(each) for each in answers), is_text=True, rank=1),
        Column(heading="cost", cells=tuple(COSTS[each.cost] for each in answers), is_text=True),
        Column(heading="theirs", cells=tuple(_change(_theirs(each)) for each in answers)),
        Column(heading="ours", cells=tuple(_change(each.ours) for each in answers)),
        Column(heading="trial", cells=tuple(_number(each.trial) for each in answers), rank=1),
        Column(heading="difference", cells=tuple(_points(each.difference) for each in answers)),
        Column(heading="verdict", cells=tuple(each.verdict for each in answers), is_text=True, style="bold"),
    )
    notes = [Text(note, style="dim") for note in NOTES]
    return Group(Text(title, style="bold"), Text(), FittedTable(columns), Text(), *notes)


def _title(answer: Verification) -> str:
    published = answer.published
    return f"{shorten(published.paper, LONGEST_TITLE, placeholder=' ...')} ({published.year})"


def _theirs(answer: Verification) -> Change:
    return Change(answer.published.folds[answer.cost], answer.published.change)


def _change(change: Change | None) -> str:
    return "-" if change is None else f"{_points(change.accuracy)} at {change.folds:.2f}x"


def _number(trial: int | None) -> str:
    return "-" if trial is None else str(trial)


def _points(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.2f}"

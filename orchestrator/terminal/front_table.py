"""The front of a study as a table for the terminal, with what pruning saves and who holds which part."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.cost_kinds import PHYSICAL, are_only_removed, cost_kind, over_physical_costs
from orchestrator.results.fairness import SETUPS, satisfied_setups, unequal
from orchestrator.results.front import pareto_front, spread
from orchestrator.results.no_front import why_no_front
from orchestrator.results.reference import (
    dense_reference,
    drop,
    heading,
    reference_first,
    saved_or_not,
    share_of_dense,
    show_drop,
    why_no_reference,
)
from orchestrator.results.selection import Selection
from orchestrator.results.shares_of_front import Holding, holdings
from orchestrator.spec.quality import Quality, quality_of
from orchestrator.spec.study_spec import StudySpec
from orchestrator.terminal.character_plot import character_plot
from orchestrator.terminal.fitted_table import Column, FittedTable
from orchestrator.terminal.means_table import means_table
from orchestrator.terminal.tables import MOST_ROWS, configuration
from trainables import metrics

WHOLE = Selection()
"""All of a front, in its order."""

LAST: Final = 9
"""The rank of what a narrow table leaves out before any metric."""

SHARES_OF_FRONT: Final = "Which paradigm holds which part of the front"

MOST_NUMBERS = 30
"""The trials that a line names."""


def front_table(
    spec: StudySpec,
    records: Sequence[TrialRecord],
    selection: Selection = WHOLE,
    *,
    with_settings: bool = False,
    with_picture: bool = False,
) -> RenderableType:
    """Return the front: the dense network as its reference, then the members, best first by the study's first
    objective; what pruning saves, which paradigm holds which part, and the setups in which it is a fair comparison.

    With `with_settings`, all hyper-parameters follow the table, with `with_picture` the front drawn in characters.
    Where the study asks for several seeds, the front by the mean comes last.
    """
    front = pareto_front(records, spec.objectives)
    if not front:
        return Text(why_no_front(spec, records), style="yellow")
    reference = dense_reference(records, spec.objectives)
    chosen = selection.of(front, records, spec.objectives)
    members = chosen if selection.sort else spread(chosen, spec.objectives, MOST_ROWS)
    rows = reference_first(members, reference)
    parts: list[RenderableType] = [Text(_title(spec, records, front, chosen, selection), style="bold"), Text()]
    parts += [_members_table(spec, rows, reference), Text()]
    parts += _settings_lines(spec, rows) if with_settings else []
    parts += [character_plot(rows, spec.objectives, reference)] if with_picture and len(spec.objectives) > 1 else []
    if len(members) < len(chosen):
        parts.append(Text(f"{MOST_ROWS} of {len(chosen)} members, spread over the front; --json gives all of them"))
    held = holdings(records, spec.objectives)
    if len(held) > 1:
        parts += [Text(SHARES_OF_FRONT, style="bold"), holdings_table(held, _objectives_first(spec, front)), Text()]
    parts += [Text(line) for line in (*_notes(rows, front, reference), *reference_lines(spec, records))]
    parts.append(Text(comparability(front) + trained_elsewhere(spec), style="dim"))
    return Group(*parts, *([Text(), means_table(spec, records)] if spec.search.seeds > 1 else []))


def _title(
    spec: StudySpec,
    records: Sequence[TrialRecord],
    front: Sequence[TrialRecord],
    chosen: Sequence[TrialRecord],
    selection: Selection,
) -> str:
    complete, kind = sum(record.state is State.COMPLETE for record in records), cost_kind(spec.objectives)
    lines = [f"Pareto front of {spec.name}: {len(front)} of {complete} complete trials", *([kind] if kind else [])]
    only = selection.words(records, spec.objectives)
    return "\n".join([*lines, *([f"{len(chosen)} shown: {only}"] if only else [])])


def _members_table(spec: StudySpec, rows: Sequence[TrialRecord], reference: TrialRecord | None) -> FittedTable:
    is_reference = [reference is not None and record.trial == reference.trial for record in rows]
    named = (f"{r.paradigm} (reference)" if dense else r.paradigm for r, dense in zip(rows, is_reference, strict=True))
    quality = quality_of(spec.objectives)
    columns = [
        Column(heading="trial", cells=tuple(str(record.trial) for record in rows)),
        Column(heading="paradigm", cells=tuple(named), is_text=True, style="cyan"),
        *(
            Column(
                heading=_heading_of(metric, quality),
                cells=tuple(_cell(metric, record, reference, quality) for record in rows),
                rank=_rank(spec, metric),
            )
            for metric in _columns(spec, rows)
        ),
        Column(heading="seed", cells=tuple(str(record.seed) for record in rows), rank=LAST),
        Column(
            heading="hyper-parameters",
            cells=tuple(configuration(spec, record) for record in rows),
            rank=LAST + 1,
            is_text=True,
            style="dim",
        ),
    ]
    return FittedTable(tuple(columns), tuple("bold" if dense else "" for dense in is_reference))


def _objectives_first(spec: StudySpec, front: Sequence[TrialRecord]) -> list[str]:
    return list(dict.fromkeys([*spec.objectives, *_measured_columns(spec, front)]))


def _rank(spec: StudySpec, metric: str) -> int:
    """Return when a metric is left out for lack of room: objectives never, the drop in quality late."""
    if metric in spec.objectives:
        return 0
    return 1 if metric == quality_of(spec.objectives).drop_name else 2


def _settings_lines(spec: StudySpec, rows: Sequence[TrialRecord]) -> list[RenderableType]:
    """Return the hyper-parameters of each row, one trial a paragraph, so that none is cut."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for record in rows:
        table.add_row(str(record.trial), record.paradigm, Text(configuration(spec, record) or "none searched"))
    return [Text("Hyper-parameters, by trial", style="bold"), table, Text()]


def _notes(rows: Sequence[TrialRecord], front: Sequence[TrialRecord], reference: TrialRecord | None) -> Iterator[str]:
    """Yield what a reader of the table must know."""
    if any(metrics.share_of_dense(metric, record.metrics) for record in rows for metric in record.metrics):
        yield "5x: a fifth of what the dense network has."
    if reference is not None and reference.trial not in {record.trial for record in front}:
        yield f"The reference, trial {reference.trial}, is not on the front."


def reference_lines(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    """Return what pruning saves against the dense network, and which trials are on the front over physical costs."""
    reference = dense_reference(records, spec.objectives)
    saved = saved_or_not(records, spec.objectives, reference)
    missing = [] if reference is not None else [f"No reference: {why_no_reference(spec)}."]
    return [*missing, *saved, *_physical_front(spec, records)]


def _physical_front(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    objectives = over_physical_costs(spec.objectives)
    members = pareto_front(records, objectives) if objectives is not None else []
    if not members or are_only_removed(records):
        return []
    numbers = ", ".join(str(record.trial) for record in members[:MOST_NUMBERS])
    more = f" and {len(members) - MOST_NUMBERS} more" if len(members) > MOST_NUMBERS else ""
    return [f"The front {PHYSICAL}: trials {numbers}{more}; --physical shows it"]


def _columns(spec: StudySpec, rows: Sequence[TrialRecord]) -> list[str]:
    """Return the columns of a front: what was measured, and the drop in quality where the reference is known."""
    known, quality = _measured_columns(spec, rows), quality_of(spec.objectives)
    if quality.metric in known and dense_reference(rows, spec.objectives) is not None:
        known.insert(known.index(quality.metric) + 1, quality.drop_name)
    return known


def _measured_columns(spec: StudySpec, rows: Sequence[TrialRecord]) -> list[str]:
    """Return the metrics of a front: qualities, what the study seeks, sizes; physical costs only where they differ."""
    always = [name for name in metrics.shown("front") if not metrics.is_physical(name)]
    always += [] if are_only_removed(rows) else ["macs_physical"]
    qualities = [metric for metric in always if metrics.find(metric).tasks]
    named = dict.fromkeys([*qualities, *spec.objectives, *always])
    return [name for name in named if any(name in record.metrics for record in rows)]


def _heading_of(metric: str, quality: Quality) -> str:
    return heading(quality) if metric == quality.drop_name else quantities.name(metric)


def _cell(metric: str, record: TrialRecord, reference: TrialRecord | None, quality: Quality) -> str:
    if metric == quality.drop_name:
        return show_drop(quality, drop(quality, record, reference))
    return " ".join([quantities.show(metric, record.metrics.get(metric)), *_fold(metric, record, reference)])


def _fold(metric: str, record: TrialRecord, reference: TrialRecord | None) -> list[str]:
    """Return how many times fewer than the dense network's a cost is, if that is known."""
    share = share_of_dense(metric, record.metrics, reference)
    return [f"{1 / share:.1f}x" if share > 0.1 else f"{1 / share:.0f}x"] if share else []


def holdings_table(held: Sequence[Holding], shown: Sequence[str]) -> FittedTable:
    """Return how many members of the front each paradigm has, and the range of their values in each metric."""
    columns = [
        Column(heading="paradigm", cells=tuple(holding.paradigm for holding in held), is_text=True, style="cyan"),
        Column(heading="members", cells=tuple(f"{len(h.members)} of {h.eligible} eligible" for h in held)),
        *(
            Column(
                heading=quantities.name(metric),
                cells=tuple(holding.extent(metric) for holding in held),
                rank=1 + number,
            )
            for number, metric in enumerate(shown)
        ),
    ]
    return FittedTable(tuple(columns))


def comparability(front: Sequence[TrialRecord]) -> str:
    """Return in which setups of arXiv 2301.05219 the trials may be compared, and what else differs."""
    satisfied = satisfied_setups(front)
    broken = (setup for setup in SETUPS if setup not in satisfied)
    differing = dict.fromkeys(quantity for setup in broken for quantity in unequal(front, setup))
    named = ", ".join(quantity.replace("_", " ") for quantity in differing)
    return f"comparable in {', '.join(satisfied) or 'no setup'}" + (f"; they differ in {named}" if named else "")


def trained_elsewhere(spec: StudySpec) -> str:
    """Return which weights the networks start from, since no figure counts what these cost; empty if from none."""
    weights = dict.fromkeys(network.weights for network in spec.networks if network.weights is not None)
    named = ", ".join(map(str, weights))
    return f"; the training of {named}, from which networks start, is not counted" if named else ""

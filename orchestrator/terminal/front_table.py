"""The front of a study as a table for the terminal, with what pruning saves and who holds which part."""

from collections.abc import Sequence

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
    DROP,
    accuracy_drop,
    dense_reference,
    points,
    reference_first,
    saved_or_not,
    why_no_reference,
)
from orchestrator.results.selection import Selection
from orchestrator.results.shares_of_front import Holding, holdings
from orchestrator.spec.study_spec import StudySpec
from orchestrator.terminal.tables import MOST_ROWS, configuration, measured, titled
from trainables import metrics

WHOLE = Selection()
"""All of a front, in its order."""

FEW = 5
"""Up to how many metrics have room for a value and its share of the dense network's on one line."""

MOST_NUMBERS = 30
"""The trials that a line names."""


def front_table(spec: StudySpec, records: Sequence[TrialRecord], selection: Selection = WHOLE) -> RenderableType:
    """Return the front: the dense network as its reference, then the members, best first by the study's first
    objective; what pruning saves, which paradigm holds which part, and the setups in which it is a fair comparison.
    """
    front = pareto_front(records, spec.objectives)
    if not front:
        return Text(why_no_front(spec, records), style="yellow")
    reference = dense_reference(records)
    chosen = selection.of(front, records, spec.objectives)
    members = chosen if selection.sort else spread(chosen, spec.objectives, MOST_ROWS)
    title = _title(spec, records, front, chosen, selection)
    parts: list[RenderableType] = [_members_table(spec, title, front, reference_first(members, reference), reference)]
    if len(members) < len(chosen):
        parts.append(Text(f"{MOST_ROWS} of {len(chosen)} members, spread over the front; --json gives all of them"))
    held = holdings(records, spec.objectives)
    if len(held) > 1:
        parts.append(holdings_table(held, _measured_columns(spec, front)))
    parts += [Text(line) for line in reference_lines(spec, records)]
    return Group(*parts, Text(comparability(front) + trained_elsewhere(spec), style="dim"))


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


def _members_table(
    spec: StudySpec,
    title: str,
    front: Sequence[TrialRecord],
    rows: Sequence[TrialRecord],
    reference: TrialRecord | None,
) -> Table:
    shown, members = _columns(spec, rows), {record.trial for record in front}
    table = titled(title)
    table.add_column("trial", justify="right")
    table.add_column("paradigm", style="cyan", no_wrap=True)
    table.add_column("seed", justify="right")
    for metric in shown:
        table.add_column(_heading_of(metric), justify="right", max_width=16 if len(shown) <= FEW else 11)
    table.add_column("hyper-parameters", overflow="fold")
    for record in rows:
        is_reference = reference is not None and record.trial == reference.trial
        figures = (_cell(metric, record, reference) for metric in shown)
        about = (str(record.trial), record.paradigm + (" (reference)" if is_reference else ""), str(record.seed))
        settings = configuration(spec, record) + ("" if record.trial in members else "not on the front")
        table.add_row(*about, *figures, Text(settings, style="dim"), style="bold" if is_reference else "")
    return table


def reference_lines(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    """Return what pruning saves against the dense network, and which trials are on the front over physical costs."""
    reference = dense_reference(records)
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
    """Return the columns of a front: what was measured, and the drop in accuracy where the reference is known."""
    known = _measured_columns(spec, rows)
    if "accuracy" in known and dense_reference(rows) is not None:
        known.insert(known.index("accuracy") + 1, DROP)
    return known


def _measured_columns(spec: StudySpec, rows: Sequence[TrialRecord]) -> list[str]:
    """Return the metrics of a front: qualities, what the study seeks, sizes; physical costs only where they differ."""
    always = [name for name in metrics.shown("front") if not metrics.is_physical(name)]
    always += [] if are_only_removed(rows) else ["macs_physical"]
    qualities = [metric for metric in always if metrics.unit(metric) is metrics.Unit.SHARE]
    named = dict.fromkeys([*qualities, *spec.objectives, *always])
    return [name for name in named if any(name in record.metrics for record in rows)]


def _heading_of(metric: str) -> str:
    return "drop in points" if metric == DROP else quantities.name(metric)


def _cell(metric: str, record: TrialRecord, reference: TrialRecord | None) -> str:
    if metric == DROP:
        return points(accuracy_drop(record, reference))
    return measured(metric, record.metrics)


def holdings_table(held: Sequence[Holding], shown: Sequence[str]) -> Table:
    """Return how many members of the front each paradigm has, and the range of their values in each metric."""
    table = titled("Which paradigm holds which part of the front")
    table.add_column("paradigm", style="cyan", no_wrap=True)
    table.add_column("members", justify="right")
    table.add_column("of eligible trials", justify="right")
    for metric in shown:
        table.add_column(quantities.name(metric), justify="right")
    for holding in held:
        extents = (holding.extent(metric) for metric in shown)
        table.add_row(holding.paradigm, str(len(holding.members)), str(holding.eligible), *extents)
    return table


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

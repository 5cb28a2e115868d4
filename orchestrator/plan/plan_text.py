"""Makes the plan for a study file and the store it would run in, and formats it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.ledger import ledger
from orchestrator.plan.estimate import (
    NOTHING,
    Allowance,
    EpochPace,
    Plan,
    Span,
    find_place,
    make_plan,
    probed_pace,
    recorded_pace,
)
from orchestrator.plan.expected_costs import cost_lines
from orchestrator.plan.learning_rates import rate_lines
from orchestrator.results import quantities
from orchestrator.search import starting_weights
from orchestrator.search.expected_costs import Placed
from orchestrator.search.network_check import NetworkCheck
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.terminal.tables import titled
from trainables import data
from trainables.errors import InvalidValue

UNITS: Final = ((48 * 3600.0, "days", 86400.0), (5400.0, "h", 3600.0), (90.0, "min", 60.0), (0.0, "s", 1.0))
"""The least seconds that are shown in a unit, the unit, and its length in seconds."""


def plan_of(spec: StudySpec, store: Store, *, probe: bool = True, address: str | None = None) -> Plan:
    """Return the plan for a study, from its own record if there is one, else from a probe if `probe`.

    It would run on the cluster at `address` or in RAY_ADDRESS, else on this machine. Raises StudyError if the network
    supports none of the study's configurations, and InvalidValue if a different study has the same name or an earlier
    trial cannot be started from.
    """
    folder = store.study(spec.name)
    contents = ledger.read_all(folder) if folder.spec.exists() else ledger.Contents([], NOTHING, None)
    records = contents.records
    if records and not _same_work(spec, StudySpec.stored(folder.spec)):
        allowed = (
            f"is taken by a study with other data, network or training: {folder.shown(folder.spec)}; rename this one"
        )
        raise InvalidValue("name", spec.name, allowed)
    with starting_weights.preview(spec, store) as weights:
        network = NetworkCheck(spec, weights.placed)
        network.require_work()
        place = find_place(spec.resources, address)
        pace = recorded_pace(records) or (_probe(spec, weights.placed) if probe else None)
        made = make_plan(spec, records, pace, place, contents.spent)
        impossible, costs = tuple(map(str, network.impossible())), cost_lines(spec, weights.placed)
        rates = rate_lines(spec, network.networks)
        return replace(made, removable_macs=network.removable_macs(), impossible=impossible, costs=costs, rates=rates)


def _same_work(spec: StudySpec, stored: StudySpec) -> bool:
    return (_data(spec), spec.model, _training(spec)) == (_data(stored), stored.model, _training(stored))


def _training(spec: StudySpec) -> object:
    return replace(spec.training, shared_dense=False, capture="never", compile="never")


def _data(spec: StudySpec) -> object:
    return replace(spec.data, root=None, download=False)


def _probe(spec: StudySpec, placed: Placed) -> EpochPace | None:
    """Measure the pace; None if the data have not been downloaded yet, which a plan does not do."""
    try:
        data.check(replace(spec.data, download=False))
    except InvalidValue:
        return None
    return probed_pace(spec, placed)


def lines(plan: Plan) -> RenderableType:
    """Return the plan formatted for the terminal."""
    done, trials = plan.trials - plan.left, "trial" if plan.left == 1 else "trials"
    parts: list[RenderableType] = [
        Text.assemble((plan.study, "bold"), f": {plan.left} {trials} to run", f", {done} are done" if done else "")
    ]
    if plan.left:
        parts += [_table(plan), Text(f"Epochs: {plan.stopping}", style="dim"), Text(_pace(plan), style="dim")]
    parts += [Text(f"Network: {problem}", style="yellow") for problem in plan.impossible]
    if plan.removable_macs is not None:
        parts.append(Text(f"Filters: removing them can save at most {plan.removable_macs:.1%} of the network's MACs"))
    parts += [Text(f"Known before training: {line}", style="dim") for line in plan.costs]
    parts += [Text(f"Learning rate: {line}", style="dim") for line in plan.rates]
    return Group(*parts, Text(_place(plan), style="" if plan.place.slots else "red"), *map(_budget, plan.allowances))


def _table(plan: Plan) -> Table:
    shown = titled("What it takes")
    shown.add_column("")
    for name in ("low", "expected", "high"):
        shown.add_column(name, justify="right")
    _add(shown, "epochs over all trials", plan.epochs, lambda count: quantities.number(count, 2))
    if plan.device_hours is not None:
        _add(
            shown,
            f"{plan.device} time",
            plan.device_hours,
            lambda hours: f"{quantities.number(hours, 2)} {plan.device}-hours",
        )
    if plan.wall_hours is not None:
        _add(shown, "wall time", plan.wall_hours, lambda hours: rough(3600 * hours))
    return shown


def _add(shown: Table, name: str, span: Span, show: Callable[[float], str]) -> None:
    shown.add_row(name, show(span.low), show(span.expected), show(span.high))


def rough(seconds: float) -> str:
    """Return a time with two digits, as an estimate is no more precise: 3.4 h."""
    _, unit, length = next(row for row in UNITS if seconds >= row[0])
    return f"{quantities.number(seconds / length, 2)} {unit}"


def _pace(plan: Plan) -> str:
    if plan.pace is None:
        return "Times: unknown, as this study has no record and no probe was run"
    epoch = plan.pace.epoch
    ends = " to ".join(dict.fromkeys((rough(epoch.low), rough(epoch.high))))
    return f"Times: {ends} per epoch, {plan.pace.source}"


def _place(plan: Plan) -> str:
    if not plan.place.slots:
        return f"No trial can run: {plan.place.problem}"
    trials = "1 trial" if plan.place.slots == 1 else f"{plan.place.slots} trials"
    return f"{plan.place.where[:1].upper()}{plan.place.where[1:]} runs {trials} at once"


def _budget(allowance: Allowance) -> Text:
    """Return a line on whether a budget is expected to suffice."""
    rule = f"{allowance.key}: no new trial begins once {quantities.number(allowance.left)} more are spent"
    if allowance.needed is None:
        return Text(rule)
    enough = allowance.needed <= allowance.left
    verdict = "which is expected to suffice" if enough else "which is expected to leave trials out"
    return Text(f"{rule}, {verdict}", style="" if enough else "yellow")

"""Makes the plan for a study file and the store it would run in, and formats it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.ledger import ledger
from orchestrator.plan.estimate import (
    Allowance,
    EpochPace,
    Plan,
    Span,
    find_place,
    make_plan,
    probed_pace,
    recorded_pace,
)
from orchestrator.search.network_check import NetworkCheck
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder
from orchestrator.terminal.tables import titled
from trainables import data
from trainables.errors import InvalidValue

UNITS: Final = ((48 * 3600.0, "days", 86400.0), (5400.0, "h", 3600.0), (90.0, "min", 60.0), (0.0, "s", 1.0))
"""The least seconds that are shown in a unit, the unit, and its length in seconds."""


def plan(spec: StudySpec, folder: StudyFolder, *, probe: bool = True, address: str | None = None) -> Plan:
    """Return the plan for a study, from its own record if there is one, else from a probe if `probe`.

    It would run on the cluster at `address` or in RAY_ADDRESS, else on this machine. Raises StudyError if the network
    supports none of the study's configurations, and InvalidValue if a different study has the same name.
    """
    records = ledger.read(folder) if folder.spec.exists() else []
    if records and not _same_work(spec, StudySpec.stored(folder.spec)):
        allowed = (
            f"is taken by a study with other data, network or training: {folder.shown(folder.spec)}; rename this one"
        )
        raise InvalidValue("name", spec.name, allowed)
    network = NetworkCheck(spec)
    network.require_work()
    place = find_place(spec.resources, address)
    made = make_plan(spec, records, recorded_pace(records) or (_probe(spec) if probe else None), place)
    impossible = tuple(map(str, network.impossible()))
    return replace(made, removable_macs=network.removable_macs(), impossible=impossible)


def _same_work(spec: StudySpec, stored: StudySpec) -> bool:
    return (_data(spec), spec.model, spec.training) == (_data(stored), stored.model, stored.training)


def _data(spec: StudySpec) -> object:
    return replace(spec.data, root=None, download=False)


def _probe(spec: StudySpec) -> EpochPace | None:
    """Measure the pace; None if the data have not been downloaded yet, which a plan does not do."""
    try:
        data.check(replace(spec.data, download=False))
    except InvalidValue:
        return None
    return probed_pace(spec)


def lines(found: Plan) -> RenderableType:
    """Return the plan formatted for the terminal."""
    done, trials = found.trials - found.left, "trial" if found.left == 1 else "trials"
    parts: list[RenderableType] = [
        Text.assemble((found.study, "bold"), f": {found.left} {trials} to run", f", {done} are done" if done else "")
    ]
    if found.left:
        parts += [_table(found), Text(f"Epochs: {found.stopping}", style="dim"), Text(_pace(found), style="dim")]
    parts += [Text(f"Network: {problem}", style="yellow") for problem in found.impossible]
    if found.removable_macs is not None:
        parts.append(Text(f"Filters: removing them can save at most {found.removable_macs:.1%} of the network's MACs"))
    return Group(*parts, Text(_place(found), style="" if found.place.slots else "red"), *map(_budget, found.allowances))


def _table(found: Plan) -> Table:
    shown = titled("What it takes")
    shown.add_column("")
    for name in ("low", "expected", "high"):
        shown.add_column(name, justify="right")
    _add(shown, "epochs over all trials", found.epochs, lambda count: f"{float(f'{count:.2g}'):,.0f}")
    if found.device_hours is not None:
        _add(shown, f"{found.device} time", found.device_hours, lambda hours: f"{hours:.2g} {found.device}-hours")
    if found.wall_hours is not None:
        _add(shown, "wall time", found.wall_hours, lambda hours: rough(3600 * hours))
    return shown


def _add(shown: Table, name: str, span: Span, show: Callable[[float], str]) -> None:
    shown.add_row(name, show(span.low), show(span.expected), show(span.high))


def rough(seconds: float) -> str:
    """Return a time with two digits, as an estimate is no more precise: 3.4 h."""
    _, unit, length = next(one for one in UNITS if seconds >= one[0])
    return f"{float(f'{seconds / length:.2g}'):g} {unit}"


def _pace(found: Plan) -> str:
    if found.pace is None:
        return "Times: unknown, as this study has no record and no probe was run"
    epoch = found.pace.epoch
    ends = " to ".join(dict.fromkeys((rough(epoch.low), rough(epoch.high))))
    return f"Times: {ends} per epoch, {found.pace.source}"


def _place(found: Plan) -> str:
    if not found.place.slots:
        return f"No trial can run: {found.place.problem}"
    trials = "1 trial" if found.place.slots == 1 else f"{found.place.slots} trials"
    return f"{found.place.where[:1].upper()}{found.place.where[1:]} runs {trials} at once"


def _budget(one: Allowance) -> Text:
    """Return a line on whether a budget is expected to suffice."""
    words = f"{one.key}: no new trial begins once {one.left:.3g} more are spent"
    if one.needed is None:
        return Text(words)
    enough = one.needed <= one.left
    verdict = "which is expected to suffice" if enough else "which is expected to leave trials out"
    return Text(f"{words}, {verdict}", style="" if enough else "yellow")

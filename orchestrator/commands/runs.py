"""Commands that run a study, and the one that estimates what a run will take."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands.arguments import (
    HERE,
    Address,
    AsJson,
    Name,
    Quiet,
    StoreFolder,
    StudyFile,
    command_line,
    console,
    print_json,
    read,
    store_at,
)
from orchestrator.commands.reports import write_page
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import NONE, STORE, UNTRACKED
from orchestrator.store.store import Store
from orchestrator.terminal.printable import say
from trainables.errors import InvalidValue

if TYPE_CHECKING:
    from orchestrator.spec.history import Change
    from orchestrator.sweep.observer import Outcome


def plan(
    file: StudyFile,
    store: StoreFolder = HERE,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Train for a few seconds to measure the speed.")
    ] = True,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a study will take, without starting it; exits with status 1 if no trial can run."""
    from orchestrator.execution import gpu_shares
    from orchestrator.plan import plan_text

    spec, studies = StudySpec.load(file), store_at(store)
    if probe:
        spec = gpu_shares.settled(spec, studies, address, _unsaid if as_json else say)
    estimate = plan_text.plan_of(spec, studies, probe=probe, address=address)
    if as_json:
        print_json(dataclasses.asdict(estimate))
    else:
        console().print(plan_text.lines(estimate))
    if estimate.left and not estimate.place.slots:
        raise typer.Exit(1)


def launch(
    file: StudyFile,
    store: StoreFolder = HERE,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Resume the study if the same one exists.")] = False,
    address: Address = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a new study and show its Pareto front."""
    from orchestrator import study
    from orchestrator.execution import gpu_shares
    from orchestrator.terminal.live import shown

    spec, studies = StudySpec.load(file), store_at(store)
    spec = gpu_shares.settled(spec, studies, address, _unsaid if quiet or as_json else say)
    with shown(console(), quiet=quiet or as_json) as observer:
        outcome = study.launch(spec, studies, observer=observer, exist_ok=exist_ok, address=address)
    _conclude(outcome, studies, as_json=as_json)


def _unsaid(_: str) -> None:
    """Say nothing where programs read."""


def resume(
    name: Name, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False, as_json: AsJson = False
) -> None:
    """Resume a study that was interrupted."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    studies = store_at(store)
    with shown(console(), quiet=quiet or as_json) as observer:
        outcome = study.resume(name, studies, observer=observer, address=address)
    _conclude(outcome, studies, as_json=as_json)


def extend(
    file: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The edited study file; with --seeds, a NAME.")],
    store: StoreFolder = HERE,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", min=2, help="Repeat the front of the study NAME until each member has so many seeds."),
    ] = None,
    address: Address = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Continue a study with its edited file: more trials, epochs or paradigms, other ranges, a larger budget."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    studies = store_at(store)
    spec = _edited(file, studies) if seeds is None else _repeated(str(file), studies, seeds)
    changes: list[Change] = []
    with shown(console(), quiet=quiet or as_json) as observer:
        said = changes.extend if as_json else _print_changes
        outcome = study.extend(spec, studies, observer=observer, said=said, address=address)
    _conclude(outcome, studies, as_json=as_json, changes=changes)


def _edited(file: Path, store: Store) -> StudySpec:
    spec = StudySpec.load(file)
    folder = store.existing(spec.name, "NAME")
    if file.resolve() == folder.spec.resolve():
        raise InvalidValue("STUDY.yaml", str(file), "is the store's own file; edit a copy of it and name that")
    return spec


def _repeated(name: str, store: Store, seeds: int) -> StudySpec:
    from orchestrator.search.replication import with_seeds

    spec, records = read(store.existing(name, "NAME"))
    return with_seeds(spec, records, seeds)


def _print_changes(changes: Sequence["Change"]) -> None:
    for change in changes:
        say(f"extended: {change}")
    if not changes:
        say("the file is the same as the study; resuming it")


def _conclude(outcome: "Outcome", store: Store, *, as_json: bool, changes: Sequence["Change"] = ()) -> None:
    """Show the result of a run; exit with status 1 if it was interrupted or trials failed."""
    from orchestrator.results.summary import summarize

    spec = StudySpec.stored(outcome.folder.spec)
    write_page(outcome.folder, spec, outcome.records, outcome.folder.report)
    if as_json:
        print_json(_result_object(outcome, spec, changes))
    else:
        _print_result(outcome, spec, store)
    if outcome.interrupted or summarize(spec, outcome.records).failed:
        raise typer.Exit(1)


def _result_object(outcome: "Outcome", spec: StudySpec, changes: Sequence["Change"]) -> dict[str, Any]:
    from orchestrator.results.front import pareto_front
    from orchestrator.results.reference import dense_reference
    from orchestrator.results.summary import summarize
    from orchestrator.terminal.objects import member_object

    reference, folder = dense_reference(outcome.records, spec.objectives), outcome.folder
    return {
        **dataclasses.asdict(summarize(spec, outcome.records)),
        "interrupted": outcome.interrupted,
        "spent_budget": outcome.spent_budget,
        "tracking_note": outcome.tracking_note,
        "changes": [str(change) for change in changes],
        "front": [
            member_object(record, spec.objectives, reference)
            for record in pareto_front(outcome.records, spec.objectives)
        ],
        **{name: folder.shown(path) for name, path in _files(outcome)},
    }


def _files(outcome: "Outcome") -> list[tuple[str, Any]]:
    folder = outcome.folder
    return [("report", folder.report), ("table", folder.table), ("log", folder.log)]


def _print_result(outcome: "Outcome", spec: StudySpec, store: Store) -> None:
    from orchestrator.results.summary import summarize
    from orchestrator.terminal import study_lines
    from orchestrator.terminal.front_table import front_table

    output, summary = console(), summarize(spec, outcome.records)
    output.print(front_table(spec, outcome.records, with_picture=output.is_terminal))
    commands = {verb: command_line(store, verb, spec.name) for verb in ("resume", "logs")}
    output.print(study_lines.status_lines(summary, outcome.records, **commands), soft_wrap=True)
    for name, path in _files(outcome):
        say(f"{name + ':':<11}{outcome.folder.shown(path)}")
    dashboard = {STORE: command_line(store, "ui"), NONE: UNTRACKED}.get(spec.tracking, spec.tracking)
    say(f"{'dashboard:':<11}{dashboard}")
    if outcome.tracking_note is not None:
        say(f"{'MLflow:':<11}{outcome.tracking_note}")
    if outcome.spent_budget is not None:
        say(f"{outcome.spent_budget} is spent: {summary.trials - summary.asked} trials were not started")

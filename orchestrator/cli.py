"""The command line. Commands that train nothing import neither torch nor Ray, and each imports only what it uses."""

import dataclasses
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands import fronts, networks, studies
from orchestrator.commands.arguments import (
    HERE,
    Address,
    AsJson,
    Name,
    Quiet,
    StoreFolder,
    StudyFile,
    TrialNumber,
    command_line,
    console,
    print_json,
    read,
    refusing,
    require_file,
    store_at,
)
from orchestrator.ledger.records import TrialRecord, find_trial
from orchestrator.spec.history import read_history
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import NONE, STORE
from orchestrator.store import stamp
from orchestrator.store.attempts import attempts
from orchestrator.store.store import Store, StudyFolder
from orchestrator.terminal.objects import log_object, paradigm_object
from orchestrator.terminal.printable import say
from trainables import paradigms as installed
from trainables.errors import EspalierError, FileUnusable, InvalidValue

if TYPE_CHECKING:
    from orchestrator.results.compare import Entry
    from orchestrator.spec.history import Change
    from orchestrator.sweep.observer import Outcome

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Search for the networks on the Pareto front of accuracy against computation and size.",
)


def main() -> None:
    """Run the command line; an error of the tree in `trainables.errors` is printed and gives the exit status."""
    sys.path.append(
        os.getcwd()
    )  # last, so that a file there hides no installed package; Ray's workers get this path too
    try:
        with _naming_files():
            app(prog_name="espalier")
    except EspalierError as error:
        say(f"espalier: {error}", error=True)
        sys.exit(error.exit_status)


@contextmanager
def _naming_files() -> Iterator[None]:
    """Raise FileUnusable for a file that the operating system refuses; an error that names no file is a defect."""
    try:
        yield
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        raise FileUnusable(error) from error


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"espalier {installed_version('espalier')}")
        raise typer.Exit


_UNTRACKED = "none, as the study file says"


@app.callback()
def espalier(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Search for the networks on the Pareto front of accuracy against computation and size."""


@app.command()
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
    from orchestrator.plan import plan_text

    spec, studies = StudySpec.load(file), store_at(store)
    estimate = plan_text.plan_of(spec, studies.study(spec.name), probe=probe, address=address)
    if as_json:
        print_json(dataclasses.asdict(estimate))
    else:
        console().print(plan_text.lines(estimate))
    if estimate.left and not estimate.place.slots:
        raise typer.Exit(1)


@app.command()
def launch(
    file: StudyFile,
    store: StoreFolder = HERE,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Resume the study if the same one exists.")] = False,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Run a new study and show its Pareto front."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    spec, studies = StudySpec.load(file), store_at(store)
    with shown(console(), quiet=quiet) as observer:
        outcome = study.launch(spec, studies, observer=observer, exist_ok=exist_ok, address=address)
    _conclude(outcome, studies)


@app.command()
def status(name: Name, store: StoreFolder = HERE, as_json: AsJson = False) -> None:
    """Show a study's progress: what runs, what failed, the time left, and what was spent."""

    from orchestrator.results.progress import progress
    from orchestrator.terminal import study_lines

    studies = store_at(store)
    current = progress(studies.existing(name, "NAME"))
    if as_json:
        print_json(current.as_object())
    else:
        commands = {verb: command_line(studies, verb, name) for verb in ("resume", "logs")}
        lines = study_lines.progress_lines(current, **commands)
        console().print(lines, soft_wrap=True)  # commands must not be broken, so that they can be copied


@app.command()
def logs(
    name: Name,
    trial: TrialNumber,
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show why a trial ended, with its tracebacks and everything it logged and printed."""
    from orchestrator.store.trial_files import trial_files
    from orchestrator.terminal import study_lines

    folder = store_at(store).existing(name, "NAME")
    spec, records = read(folder)
    record = find_trial(records, trial)
    trial_files(folder).fetch_texts(trial)
    logged = attempts(folder.trials, trial)
    if as_json:
        print_json(log_object(record, logged))
    else:
        console().print(study_lines.trial_lines(spec, record, len(logged)), soft_wrap=True)
        for attempt in logged:
            say(f"\n{study_lines.attempt_heading(attempt)}\n{attempt.log}{attempt.error}".rstrip("\n"))


@app.command()
def resume(name: Name, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False) -> None:
    """Resume a study that was interrupted."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    studies = store_at(store)
    with shown(console(), quiet=quiet) as observer:
        outcome = study.resume(name, studies, observer=observer, address=address)
    _conclude(outcome, studies)


@app.command()
def extend(file: StudyFile, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False) -> None:
    """Continue a study with its edited file: more trials, epochs or paradigms, other ranges, a larger budget."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    spec, studies = StudySpec.load(file), store_at(store)
    folder = studies.existing(spec.name, "NAME")
    if file.resolve() == folder.spec.resolve():
        raise InvalidValue("STUDY.yaml", str(file), "is the store's own file; edit a copy of it and name that")
    with shown(console(), quiet=quiet) as observer:
        outcome = study.extend(spec, studies, observer=observer, said=_print_changes, address=address)
    _conclude(outcome, studies)


app.command()(fronts.front)


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME NAME ...", help="Two or more studies in the store.")],
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Compare the results of several studies; studies that differ only in their seed count as one."""
    from orchestrator.results.compare import compare as compare_studies
    from orchestrator.terminal import comparison_tables

    studies = store_at(store)
    compared = compare_studies([_entry(studies.existing(name, "NAME")) for name in names])
    if as_json:
        print_json(comparison_tables.as_object(compared))
    else:
        console().print(comparison_tables.comparison_lines(compared))


@app.command()
def report(
    name: Name,
    store: StoreFolder = HERE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
) -> None:
    """Write a study's report, a single HTML page that works offline, and print its path."""
    folder = store_at(store).existing(name, "NAME")
    path = output or folder.report
    if output is not None:
        with refusing("--output", str(output), "name another file"):
            require_file(output)
    with refusing("--output", str(path), "name a file that you may write"):
        _write_report(folder, *read(folder), path)
    say(folder.shown(path) if path == folder.report else path)


@app.command()
def sync(
    name: Name,
    store: StoreFolder = HERE,
    models: Annotated[
        bool, typer.Option("--models", help="Also write the networks on the front to MLflow, as models.")
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help="With --models: set aliases in MLflow's registry for some of them.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Rebuild a study's table and MLflow runs from its ledger."""
    from orchestrator.tracking.publishing import tracking_uri
    from orchestrator.tracking.syncing import rebuild

    studies = store_at(store)
    folder = studies.existing(name, "NAME")
    with console().status("reading the ledger") as line:
        synced = rebuild(
            name, studies, waiting=lambda left: line.update(f"{left} runs are still to be written to MLflow")
        )
    if not quiet:
        say(f"{'table:':<11}{folder.shown(folder.table)}: {synced.trials} trials")
        spec = StudySpec.stored(folder.spec)
        runs = f"{tracking_uri(studies, spec)}: experiment {name}, a run for each of {synced.told} told trials"
        say(f"{'MLflow:':<11}{_UNTRACKED if spec.tracking == NONE else runs}")
    if synced.missing:
        say(f"espalier: {synced.missing}; the log is {folder.shown(folder.log)}", error=True)
        raise typer.Exit(1)
    if models or register:
        networks.write_models(name, studies, register=register, quiet=quiet)


@app.command()
def repair(
    name: Name,
    store: StoreFolder = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="Repair the ledger; without this nothing is changed.")] = False,
) -> None:
    """Save the intact part of a study's damaged ledger; a copy of the damaged one is kept."""
    from orchestrator.ledger import repair as repairing

    folder = store_at(store).existing(name, "NAME")
    repair = repairing.diagnose(folder)
    for line in repair.lines():
        say(line)
    if repair.damage is not None and not yes:
        say("Nothing was changed; add --yes to repair the ledger.")
        raise typer.Exit(1)
    if repair.damage is not None:
        copy = repairing.carry_out(folder)
        kept = f"the damaged ledger is kept: {folder.shown(copy)}" if copy.exists() else "there was no ledger to keep"
        say(f"Repaired; {kept}")


@app.command()
def ui(
    store: StoreFolder = HERE,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 5000,
) -> None:
    """Open the store's MLflow dashboard on this machine; stop it with Ctrl-C."""
    from orchestrator.tracking.serving import ENVIRONMENT, server

    studies = store_at(store)
    if studies.remote is not None:
        allowed = "holds no MLflow pages; each study file names the server of its pages under `tracking`"
        raise InvalidValue("--store", studies.place, allowed)
    if not studies.mlflow_database.exists():
        allowed = "holds no MLflow database; launch a study first, without `tracking: none`"
        raise InvalidValue("--store", str(studies.root), allowed)
    _require_free(port)
    serve = server(studies, port)
    say(f"http://127.0.0.1:{port} shows {studies.root}; stop it with Ctrl-C")
    sys.stdout.flush()
    os.execve(sys.executable, serve, {**ENVIRONMENT, **os.environ})


@app.command()
def paradigms(as_json: AsJson = False) -> None:
    """List the installed paradigms and their hyper-parameters."""

    from orchestrator.terminal import tables

    known = {name: installed.find(name) for name in installed.names()}
    if as_json:
        print_json([paradigm_object(name, paradigm) for name, paradigm in known.items()])
    else:
        console().print(tables.paradigm_table(known))


app.command()(networks.export)
app.command("list")(studies.list_studies)
app.command()(studies.show)
app.command()(studies.init)
app.command()(studies.schema)


def _print_changes(changes: Sequence["Change"]) -> None:
    for change in changes:
        say(f"extended: {change}")
    if not changes:
        say("the file is the same as the study; resuming it")


def _entry(folder: StudyFolder) -> "Entry":
    from orchestrator.results.compare import Entry

    return Entry(*read(folder), stamp.read(folder.stamp)["data_hash"])


def _write_report(folder: StudyFolder, spec: StudySpec, records: Sequence[TrialRecord], path: Path) -> None:
    from orchestrator.report.report import write_report  # plotly, which no other command needs

    extended = {f"extended {e.time}": [str(change) for change in e.changes] for e in read_history(folder.spec)}
    write_report(spec, records, path, stamp={**stamp.read(folder.stamp), **extended})
    if path == folder.report:
        folder.push(path)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise InvalidValue("--port", port, "is taken; name another one") from None


def _conclude(outcome: "Outcome", store: Store) -> None:
    """Show the result of a run; exit with status 1 if it was interrupted or trials failed."""

    from orchestrator.results.summary import summarize
    from orchestrator.terminal import study_lines
    from orchestrator.terminal.front_table import front_table

    folder, output = outcome.folder, console()
    spec = StudySpec.stored(folder.spec)
    summary = summarize(spec, outcome.records)
    _write_report(folder, spec, outcome.records, folder.report)
    output.print(front_table(spec, outcome.records))
    commands = {verb: command_line(store, verb, spec.name) for verb in ("resume", "logs")}
    output.print(study_lines.status_lines(summary, outcome.records, **commands), soft_wrap=True)
    for name, path in (("report", folder.report), ("table", folder.table), ("log", folder.log)):
        say(f"{name + ':':<11}{folder.shown(path)}")
    dashboard = {STORE: command_line(store, "ui"), NONE: _UNTRACKED}.get(spec.tracking, spec.tracking)
    say(f"{'dashboard:':<11}{dashboard}")
    if outcome.tracking_note is not None:
        say(f"{'MLflow:':<11}{outcome.tracking_note}")
    if outcome.spent_budget is not None:
        say(f"{outcome.spent_budget} is spent: {summary.trials - summary.asked} trials were not started")
    if outcome.interrupted or summary.failed:
        raise typer.Exit(1)

"""The command line. Commands that train nothing import neither torch nor Ray, and each imports only what it uses."""

import dataclasses
import os
import shlex
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.fairness import SETUPS, check_setup, unequal
from orchestrator.results.front import pareto_front
from orchestrator.spec.history import read_history
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import NONE, STORE
from orchestrator.store import stamp
from orchestrator.store.attempts import attempts
from orchestrator.store.store import Store, StudyFolder
from orchestrator.terminal.objects import as_json, log_object, paradigm_object, trial_object
from orchestrator.terminal.printable import PlainConsole, say
from trainables import paradigms as installed
from trainables.errors import EspalierError, FileUnusable, InvalidValue
from trainables.spec import Value

if TYPE_CHECKING:
    from orchestrator.results.compare import Entry
    from orchestrator.spec.history import Change
    from orchestrator.sweep.observer import Outcome

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
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


def _store(value: str) -> Store:
    if not value.strip():
        raise InvalidValue(
            "--store", value, "must name a folder, or s3://BUCKET/PREFIX; leave it out for ./espalier-store"
        )
    store = Store.at(value)
    if store.remote is None:
        with _refusing("--store", value, "name another folder"):
            _require_folder(store.root, value)
    return store


def _require_folder(root: Path, typed: str) -> None:
    """Raise InvalidValue, or the system's own error, for a path that cannot be a folder or cannot be looked into."""
    try:
        root.stat()
    except FileNotFoundError:
        return  # a launch makes it
    if not root.is_dir():
        raise InvalidValue("--store", typed, "must be a folder, and this is a file")
    next(root.iterdir(), None)


@contextmanager
def _refusing(key: str, value: str, advice: str) -> Iterator[None]:
    """Raise InvalidValue for what the operating system refuses of a path that was typed."""
    try:
        yield
    except OSError as error:
        raise InvalidValue(key, value, f"cannot be used: {error.strerror}; {advice}") from error


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"espalier {installed_version('espalier')}")
        raise typer.Exit


StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The study's name.")]
StoreFolder = Annotated[
    str,
    typer.Option("--store", envvar="ESPALIER_STORE", help="Where studies are kept: a folder, or s3://BUCKET/PREFIX."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        metavar="HOST:PORT",
        help="Run on this Ray cluster, which this machine must belong to (auto: the one it belongs to).",
        show_default="this machine",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only the result.")]
HERE = "./espalier-store"
WIDTH_OF_A_FILE = 140
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

    spec, studies = StudySpec.load(file), _store(store)
    estimate = plan_text.plan_of(spec, studies.study(spec.name), probe=probe, address=address)
    if as_json:
        _print_json(dataclasses.asdict(estimate))
    else:
        _console().print(plan_text.lines(estimate))
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

    spec, studies = StudySpec.load(file), _store(store)
    with shown(_console(), quiet=quiet) as observer:
        outcome = study.launch(spec, studies, observer=observer, exist_ok=exist_ok, address=address)
    _conclude(outcome, studies)


@app.command()
def status(name: Name, store: StoreFolder = HERE, as_json: AsJson = False) -> None:
    """Show a study's progress: what runs, what failed, the time left, and what was spent."""

    from orchestrator.results.progress import progress
    from orchestrator.terminal import tables

    studies = _store(store)
    current = progress(studies.existing(name, "NAME"))
    if as_json:
        _print_json(current.as_object())
    else:
        commands = {verb: _command(studies, verb, name) for verb in ("resume", "logs")}
        lines = tables.progress_lines(current, **commands)
        _console().print(lines, soft_wrap=True)  # commands must not be broken, so that they can be copied


@app.command()
def logs(
    name: Name,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number, as shown by status and front.")],
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show why a trial ended, with its tracebacks and everything it logged and printed."""
    from orchestrator.store.trial_files import trial_files
    from orchestrator.terminal import tables

    folder = _store(store).existing(name, "NAME")
    spec, records = _read(folder)
    record = _trial(records, trial)
    trial_files(folder).fetch_texts(trial)
    logged = attempts(folder.trials, trial)
    if as_json:
        _print_json(log_object(record, logged))
    else:
        _console().print(tables.trial_lines(spec, record, len(logged)), soft_wrap=True)
        for attempt in logged:
            say(f"\n{tables.attempt_heading(attempt)}\n{attempt.log}{attempt.error}".rstrip("\n"))


@app.command()
def resume(name: Name, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False) -> None:
    """Resume a study that was interrupted."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    studies = _store(store)
    with shown(_console(), quiet=quiet) as observer:
        outcome = study.resume(name, studies, observer=observer, address=address)
    _conclude(outcome, studies)


@app.command()
def extend(file: StudyFile, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False) -> None:
    """Continue a study with its edited file: more trials, epochs or paradigms, other ranges, a larger budget."""
    from orchestrator import study
    from orchestrator.terminal.live import shown

    spec, studies = StudySpec.load(file), _store(store)
    folder = studies.existing(spec.name, "NAME")
    if file.resolve() == folder.spec.resolve():
        raise InvalidValue("STUDY.yaml", str(file), "is the store's own file; edit a copy of it and name that")
    with shown(_console(), quiet=quiet) as observer:
        outcome = study.extend(spec, studies, observer=observer, said=_print_changes, address=address)
    _conclude(outcome, studies)


@app.command()
def front(
    name: Name,
    store: StoreFolder = HERE,
    as_json: AsJson = False,
    setup: Annotated[
        str | None,
        typer.Option(
            "--setup", help=f"Fail unless the front's trials share this comparison setup: {', '.join(SETUPS)}."
        ),
    ] = None,
) -> None:
    """Show a study's Pareto front."""

    from orchestrator.terminal import tables

    spec, records = _read(_store(store).existing(name, "NAME"))
    if setup is not None:
        _require_comparable(pareto_front(records, spec.objectives), check_setup(setup))
    if as_json:
        _print_json([trial_object(record, spec.objectives) for record in pareto_front(records, spec.objectives)])
    else:
        _console().print(tables.front_table(spec, records))


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME NAME ...", help="Two or more studies in the store.")],
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Compare the results of several studies; studies that differ only in their seed count as one."""
    from orchestrator.results.compare import compare as compare_studies
    from orchestrator.terminal import comparison_tables

    studies = _store(store)
    compared = compare_studies([_entry(studies.existing(name, "NAME")) for name in names])
    if as_json:
        _print_json(comparison_tables.as_object(compared))
    else:
        _console().print(comparison_tables.comparison_lines(compared))


@app.command()
def report(
    name: Name,
    store: StoreFolder = HERE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
) -> None:
    """Write a study's report, a single HTML page that works offline, and print its path."""
    folder = _store(store).existing(name, "NAME")
    path = output or folder.report
    if output is not None:
        with _refusing("--output", str(output), "name another file"):
            _require_file(output)
    with _refusing("--output", str(path), "name a file that you may write"):
        _write_report(folder, *_read(folder), path)
    say(folder.shown(path) if path == folder.report else path)


@app.command()
def sync(name: Name, store: StoreFolder = HERE, quiet: Quiet = False) -> None:
    """Rebuild a study's table and MLflow runs from its ledger."""
    from orchestrator.tracking.publishing import tracking_uri
    from orchestrator.tracking.syncing import rebuild

    studies = _store(store)
    folder = studies.existing(name, "NAME")
    with _console().status("reading the ledger") as line:
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


@app.command()
def repair(
    name: Name,
    store: StoreFolder = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="Repair the ledger; without this nothing is changed.")] = False,
) -> None:
    """Save the intact part of a study's damaged ledger; a copy of the damaged one is kept."""
    from orchestrator.ledger import repair as repairing

    folder = _store(store).existing(name, "NAME")
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

    studies = _store(store)
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
        _print_json([paradigm_object(name, paradigm) for name, paradigm in known.items()])
    else:
        _console().print(tables.paradigm_table(known))


def _require_comparable(front: Sequence[TrialRecord], setup: str) -> None:
    """Exit with status 1 and print what is unequal unless the trials share a comparison setup."""
    for quantity, values in unequal(front, setup).items():
        groups = (f"{_four_digits(value)} (trials {', '.join(map(str, trials))})" for value, trials in values.items())
        say(f"espalier: not comparable in {setup}: {quantity} is {'; '.join(groups)}", error=True)
    if unequal(front, setup):
        raise typer.Exit(1)


def _four_digits(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    """Return standard output, wide enough for a table if it is not a terminal."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=max(console.width, WIDTH_OF_A_FILE))


def _read(folder: StudyFolder) -> tuple[StudySpec, list[TrialRecord]]:
    from orchestrator.ledger import ledger

    return StudySpec.stored(folder.spec), ledger.read(folder)


def _trial(records: Sequence[TrialRecord], number: int) -> TrialRecord:
    """Return a trial by its number; raises InvalidValue, with the numbers that exist, if there is none."""
    trial = next((record for record in records if record.trial == number), None)
    if trial is None:
        known = f"there are 0 to {records[-1].trial}" if records else "there is none yet"
        raise InvalidValue("TRIAL", number, f"is not a trial of this study: {known}")
    return trial


def _print_changes(changes: Sequence["Change"]) -> None:
    for change in changes:
        say(f"extended: {change}")
    if not changes:
        say("the file is the same as the study; resuming it")


def _entry(folder: StudyFolder) -> "Entry":
    from orchestrator.results.compare import Entry

    return Entry(*_read(folder), stamp.read(folder.stamp)["data_hash"])


def _require_file(path: Path) -> None:
    """Raise InvalidValue, or the system's own error, for a path at which no file can be written."""
    if path.is_dir():
        raise InvalidValue("--output", str(path), "must be a file, and this is a folder")
    if not path.absolute().parent.is_dir():
        raise InvalidValue("--output", str(path), "must lie in a folder that exists")


def _write_report(folder: StudyFolder, spec: StudySpec, records: Sequence[TrialRecord], path: Path) -> None:
    from orchestrator.report.report import write_report  # plotly, which no other command needs

    extended = {f"extended {e.time}": [str(change) for change in e.changes] for e in read_history(folder.spec)}
    write_report(spec, records, path, stamp={**stamp.read(folder.stamp), **extended})
    if path == folder.report:
        folder.push(path)


def _print_json(value: object) -> None:
    say(as_json(value))


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
    from orchestrator.terminal import tables

    folder, console = outcome.folder, _console()
    spec = StudySpec.stored(folder.spec)
    summary = summarize(spec, outcome.records)
    _write_report(folder, spec, outcome.records, folder.report)
    console.print(tables.front_table(spec, outcome.records))
    commands = {verb: _command(store, verb, spec.name) for verb in ("resume", "logs")}
    console.print(tables.status_lines(summary, outcome.records, **commands), soft_wrap=True)
    for name, path in (("report", folder.report), ("table", folder.table), ("log", folder.log)):
        say(f"{name + ':':<11}{folder.shown(path)}")
    dashboard = {STORE: _command(store, "ui"), NONE: _UNTRACKED}.get(spec.tracking, spec.tracking)
    say(f"{'dashboard:':<11}{dashboard}")
    if outcome.tracking_note is not None:
        say(f"{'MLflow:':<11}{outcome.tracking_note}")
    if outcome.spent_budget is not None:
        say(f"{outcome.spent_budget} is spent: {summary.trials - summary.asked} trials were not started")
    if outcome.interrupted or summary.failed:
        raise typer.Exit(1)


def _command(store: Store, *words: str) -> str:
    """Return a command as typed in this folder, with the store unless it is the default."""
    default = store == Store.at(os.environ.get("ESPALIER_STORE") or HERE)
    return shlex.join(["espalier", *words, *([] if default else ["--store", store.place])])

"""The command line. Commands that train nothing import neither torch nor Ray."""

import dataclasses
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator import study
from orchestrator.ledger import ledger
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.compare import Entry
from orchestrator.results.compare import compare as compare_studies
from orchestrator.results.fairness import SETUPS, check_setup, unequal
from orchestrator.results.front import pareto_front
from orchestrator.results.progress import progress
from orchestrator.results.summary import summarize
from orchestrator.spec.history import Change, read_history
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import STORE
from orchestrator.store import stamp
from orchestrator.store.attempts import Attempt, attempts
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.observer import Outcome
from orchestrator.terminal import comparison_tables, tables
from orchestrator.terminal.live import shown
from orchestrator.tracking.publishing import tracking_uri
from orchestrator.tracking.syncing import rebuild
from orchestrator.tracking.tracker import ENVIRONMENT
from trainables import paradigms as installed
from trainables.errors import EspalierError, FileUnusable, InvalidValue, nearest
from trainables.paradigms.base import Paradigm
from trainables.spec import Value

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Search for the networks on the Pareto front of accuracy against computation and size.",
)


def main() -> None:
    """Run the command line; an error of the tree in `trainables.errors` is printed and gives the exit status."""
    try:
        with _naming_files():
            app(prog_name="espalier")
    except EspalierError as error:
        typer.echo(f"espalier: {error}", err=True)
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
    store = Store.at(value)
    if store.remote is None and store.root.exists() and not store.root.is_dir():
        raise InvalidValue("--store", value, "must be a folder, and this is a file")
    return store


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"espalier {installed_version('espalier')}")
        raise typer.Exit


StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The study's name.")]
StoreFolder = Annotated[
    str,
    typer.Option("--store", envvar="ESPALIER_STORE", help="Where the studies are: a folder, or s3://BUCKET/PREFIX."),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        envvar="RAY_ADDRESS",
        metavar="HOST:PORT",
        help="Run on this Ray cluster, of which this machine is a node (auto: the one it is a node of).",
        show_default="this machine",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the result only.")]
HERE = "./espalier-store"
WIDTH_OF_A_FILE = 140


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
        bool, typer.Option("--probe/--no-probe", help="Train for seconds to learn how long it takes.")
    ] = True,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Say what a study will take before anything starts; ends with status 1 if no trial can be placed."""
    from orchestrator.plan import plan_text

    spec, place = StudySpec.load(file), _store(store)
    found = plan_text.plan(spec, place.study(spec.name), probe=probe, address=address)
    if as_json:
        _print_json(dataclasses.asdict(found))
    else:
        _console().print(plan_text.lines(found))
    if found.left and not found.place.slots:
        raise typer.Exit(1)


@app.command()
def launch(
    file: StudyFile,
    store: StoreFolder = HERE,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Go on with the same study if it exists.")] = False,
    address: Address = None,
    quiet: Quiet = False,
) -> None:
    """Run a study to its Pareto front."""
    spec, place = StudySpec.load(file), _store(store)
    with shown(_console(), quiet=quiet) as observer:
        outcome = study.launch(spec, place, observer=observer, exist_ok=exist_ok, address=address)
    _conclude(outcome, place)


@app.command()
def status(name: Name, store: StoreFolder = HERE, as_json: AsJson = False) -> None:
    """Say how far a study is: who drives it, what runs and what failed, how long it will take, what it has spent."""
    place = _store(store)
    found = progress(_study(place, name))
    if as_json:
        _print_json(found.as_object())
    else:
        commands = {verb: _command(place, verb, name) for verb in ("resume", "logs")}
        _console().print(tables.progress_lines(found, **commands))


@app.command()
def logs(
    name: Name,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number, as status and front show it.")],
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what a trial said: why it ended, tracebacks of its attempts, what it logged and printed."""
    folder = _study(_store(store), name)
    spec, records = _read(folder)
    record = _trial(records, trial)
    trial_files(folder).fetch_texts(trial)
    said = attempts(folder.trials, trial)
    if as_json:
        _print_json(_as_words(record, said))
    else:
        _console().print(tables.trial_lines(spec, record, len(said)))
        for one in said:
            typer.echo(f"\n{tables.attempt_heading(one)}\n{one.log}{one.error}".rstrip("\n"))


@app.command()
def resume(name: Name, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False) -> None:
    """Go on with a study that was interrupted."""
    place = _store(store)
    with shown(_console(), quiet=quiet) as observer:
        outcome = study.resume(name, place, observer=observer, address=address)
    _conclude(outcome, place)


@app.command()
def extend(file: StudyFile, store: StoreFolder = HERE, address: Address = None, quiet: Quiet = False) -> None:
    """Go on with a study whose file was edited: more trials, epochs, paradigms, other ranges, a larger budget."""
    spec, place = StudySpec.load(file), _store(store)
    folder = _study(place, spec.name)
    if file.resolve() == folder.spec.resolve():
        raise InvalidValue("STUDY.yaml", str(file), "is the store's own file, which says what was; edit a copy of it")
    with shown(_console(), quiet=quiet) as observer:
        outcome = study.extend(spec, place, observer=observer, said=_tell_changes, address=address)
    _conclude(outcome, place)


@app.command()
def front(
    name: Name,
    store: StoreFolder = HERE,
    as_json: AsJson = False,
    setup: Annotated[
        str | None,
        typer.Option("--setup", help=f"Refuse a front whose trials do not share this setup: {', '.join(SETUPS)}."),
    ] = None,
) -> None:
    """Show a study's Pareto front."""
    spec, records = _read(_study(_store(store), name))
    if setup is not None:
        _require_comparable(pareto_front(records, spec.objectives), check_setup(setup))
    if as_json:
        _print_json([_as_object(record, spec.objectives) for record in pareto_front(records, spec.objectives)])
    else:
        _console().print(tables.front_table(spec, records))


@app.command()
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME NAME ...", help="Two or more studies of the store.")],
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show what studies have found beside each other; those that differ in their seed alone count as one."""
    place = _store(store)
    found = compare_studies([_entry(_study(place, name)) for name in names])
    if as_json:
        _print_json(comparison_tables.as_object(found))
    else:
        _console().print(comparison_tables.comparison(found))


@app.command()
def report(
    name: Name,
    store: StoreFolder = HERE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
) -> None:
    """Write a study's report, one HTML page that needs no network, and print where it is."""
    folder = _study(_store(store), name)
    path = output or folder.report
    if not path.absolute().parent.is_dir():
        raise InvalidValue("--output", str(path), "must lie in a folder that exists")
    _write_report(folder, *_read(folder), path)
    typer.echo(folder.shown(path) if path == folder.report else path)


@app.command()
def sync(name: Name, store: StoreFolder = HERE, quiet: Quiet = False) -> None:
    """Write a study's table and its MLflow pages anew, from its ledger alone."""
    place = _store(store)
    folder = _study(place, name)
    with _console().status("reading the ledger") as line:
        synced = rebuild(name, place, waiting=lambda left: line.update(f"{left} runs are on their way to MLflow"))
    if not quiet:
        typer.echo(f"{'table:':<11}{folder.shown(folder.table)}: {synced.trials} trials")
        pages = tracking_uri(place, StudySpec.stored(folder.spec))
        typer.echo(f"{'MLflow:':<11}{pages}: experiment {name}, a run for each of {synced.told} told trials")
    if synced.unsent:
        typer.echo(
            f"espalier: {synced.unsent} of them have not reached MLflow: {synced.trouble}; {folder.shown(folder.log)}",
            err=True,
        )
        raise typer.Exit(1)


@app.command()
def ui(
    store: StoreFolder = HERE,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The port to listen on.")] = 5000,
) -> None:
    """Serve the store's MLflow pages on this machine until Ctrl-C."""
    place = _store(store)
    if place.remote is not None:
        allowed = "holds no MLflow pages: those of its studies are on the server that `tracking` names in their files"
        raise InvalidValue("--store", place.place, allowed)
    if not place.mlflow_database.exists():
        raise InvalidValue("--store", str(place.root), "holds no MLflow database; launch a study first")
    _require_free(port)
    typer.echo(f"http://127.0.0.1:{port} shows {place.root}; Ctrl-C ends it")
    where = ["--backend-store-uri", place.mlflow_uri, "--artifacts-destination", place.artifacts.as_uri()]
    listen = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    serve = [sys.executable, "-m", "mlflow", "server", *where, *listen]
    sys.stdout.flush()
    os.execve(sys.executable, serve, {**ENVIRONMENT, **os.environ})


@app.command()
def paradigms(as_json: AsJson = False) -> None:
    """List the installed paradigms and their hyper-parameters."""
    found = {name: installed.find(name) for name in installed.names()}
    if as_json:
        _print_json([_described(name, paradigm) for name, paradigm in found.items()])
    else:
        _console().print(tables.paradigm_table(found))


def _require_comparable(front: Sequence[TrialRecord], setup: str) -> None:
    """End with status 1, and say what is unequal, unless the trials share a comparison setup."""
    for quantity, values in unequal(front, setup).items():
        groups = (f"{_exactly(value)} (trials {', '.join(map(str, trials))})" for value, trials in values.items())
        typer.echo(f"espalier: not comparable in {setup}: {quantity} is {'; '.join(groups)}", err=True)
    if unequal(front, setup):
        raise typer.Exit(1)


def _exactly(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _console() -> Console:
    """Return standard output, wide enough for a table where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, WIDTH_OF_A_FILE))


def _study(store: Store, name: str) -> StudyFolder:
    """Return the folder of a study that exists; raises InvalidValue for any other name."""
    folder, there = store.study(name), store.names()
    if name not in there:
        known = f"there are {', '.join(there)}{nearest(name, there)}" if there else "there is none; launch one first"
        raise InvalidValue("NAME", name, f"is no study in {store.place}: {known}")
    return folder


def _read(folder: StudyFolder) -> tuple[StudySpec, list[TrialRecord]]:
    return StudySpec.stored(folder.spec), ledger.read(folder)


def _trial(records: Sequence[TrialRecord], number: int) -> TrialRecord:
    """Return a trial by its number; raises InvalidValue, saying which there are."""
    found = next((record for record in records if record.trial == number), None)
    if found is None:
        there = f"there are 0 to {records[-1].trial}" if records else "there is none yet"
        raise InvalidValue("TRIAL", number, f"is no trial of this study: {there}")
    return found


def _tell_changes(changes: Sequence[Change]) -> None:
    for change in changes:
        typer.echo(f"extended: {change}")
    if not changes:
        typer.echo("the file says what the study says already; it goes on")


def _entry(folder: StudyFolder) -> Entry:
    return Entry(*_read(folder), stamp.read(folder.stamp)["data_hash"])


def _write_report(folder: StudyFolder, spec: StudySpec, records: Sequence[TrialRecord], path: Path) -> None:
    from orchestrator.report.report import write_report  # plotly, which no other command needs

    extended = {f"extended {one.time}": [str(change) for change in one.changes] for one in read_history(folder.spec)}
    write_report(spec, records, path, stamp={**stamp.read(folder.stamp), **extended})
    if path == folder.report:
        folder.push(path)


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2))


def _as_object(record: TrialRecord, objectives: Iterable[str]) -> dict[str, object]:
    """Return a trial for programs: what identifies it, then its objectives, then all else that was measured."""
    about = {name: getattr(record, name) for name in ("trial", "paradigm", "state", "fidelity", "seed", "params")}
    sought = {name: record.metrics[name] for name in objectives}
    return {**about, **sought, **record.metrics, "seconds": record.seconds}


def _as_words(record: TrialRecord, said: Iterable[Attempt]) -> dict[str, object]:
    """Return what a trial said, for programs."""
    about = {name: getattr(record, name) for name in ("trial", "paradigm", "state", "reason", "failure", "attempts")}
    words = [
        {"folder": str(one.folder), "last_word": one.last_word.isoformat(), "log": one.log, "error": one.error}
        for one in said
    ]
    return {**about, "said": words}


def _described(name: str, paradigm: type[Paradigm]) -> dict[str, object]:
    defaults = {field.name: field.default for field in dataclasses.fields(paradigm)}
    hyperparameters = {
        key: {"default": defaults[key], **{k: v for k, v in dataclasses.asdict(domain).items() if v is not None}}
        for key, domain in paradigm.hyperparameters().items()
    }
    return {
        "name": name,
        "axes": dict(paradigm.axes),
        "source": paradigm.source,
        "hyperparameters": hyperparameters,
    }


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise InvalidValue("--port", port, "is taken; name another one") from None


def _conclude(outcome: Outcome, store: Store) -> None:
    """Show what a run came to; ends with status 1 if it is not what was asked for."""
    folder, console = outcome.folder, _console()
    spec = StudySpec.stored(folder.spec)
    summary = summarize(spec, outcome.records)
    _write_report(folder, spec, outcome.records, folder.report)
    console.print(tables.front_table(spec, outcome.records))
    commands = {verb: _command(store, verb, spec.name) for verb in ("resume", "logs")}
    console.print(tables.status_lines(summary, outcome.records, **commands))
    for what, where in (("report", folder.report), ("table", folder.table), ("log", folder.log)):
        typer.echo(f"{what + ':':<11}{folder.shown(where)}")
    typer.echo(f"{'dashboard:':<11}{_command(store, 'ui') if spec.tracking == STORE else spec.tracking}")
    if outcome.spent_budget is not None:
        typer.echo(f"{outcome.spent_budget} is spent: {summary.trials - summary.asked} trials were left out")
    if outcome.interrupted or summary.failed:
        raise typer.Exit(1)


def _command(store: Store, *words: str) -> str:
    """Return a command as it is typed from here, with the store where it is not the usual one."""
    usual = store == _store(os.environ.get("ESPALIER_STORE", HERE))
    return shlex.join(["espalier", *words, *([] if usual else ["--store", store.place])])

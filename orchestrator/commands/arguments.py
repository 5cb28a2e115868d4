"""What commands share: their arguments, the store that they name, how they print."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store, StudyFolder
from orchestrator.terminal.objects import as_json
from orchestrator.terminal.printable import PlainConsole, say
from trainables.errors import InvalidValue

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="The study file.")]


def _study_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the studies that a shell may complete a name to: those of a store on this machine's disk."""
    typed = context.params.get("store") or os.environ.get("ESPALIER_STORE") or HERE
    names = [] if "://" in typed else Store.at(typed).names()
    return [name for name in names if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(metavar="NAME", help="The study's name.", autocompletion=_study_names)]
TrialNumber = Annotated[int, typer.Argument(metavar="TRIAL", help="The trial's number, as shown by status and front.")]
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
WIDTH_OF_A_FILE = 150


def store_at(value: str) -> Store:
    """Return the store that `--store` names; raises InvalidValue for what cannot be one."""
    if not value.strip():
        raise InvalidValue(
            "--store", value, "must name a folder, or s3://BUCKET/PREFIX; leave it out for ./espalier-store"
        )
    store = Store.at(value)
    if store.remote is None:
        with refusing("--store", value, "name another folder"):
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
def refusing(key: str, value: str, advice: str) -> Iterator[None]:
    """Raise InvalidValue for what the operating system refuses of a path that was typed."""
    try:
        yield
    except OSError as error:
        raise InvalidValue(key, value, f"cannot be used: {error.strerror}; {advice}") from error


def console() -> Console:
    """Return standard output, wide enough for a table if it is not a terminal."""
    output = PlainConsole()
    return output if output.is_terminal else PlainConsole(width=max(output.width, WIDTH_OF_A_FILE))


def read(folder: StudyFolder) -> tuple[StudySpec, list[TrialRecord]]:
    """Return a study and its trials, with what was evaluated of them."""
    from orchestrator.ledger import ledger
    from orchestrator.results.evaluated import with_evaluations

    return StudySpec.stored(folder.spec), with_evaluations(folder, ledger.read(folder))


def require_file(path: Path, key: str = "--output") -> None:
    """Raise InvalidValue, or the system's own error, for a path at which no file can be written."""
    if path.is_dir():
        raise InvalidValue(key, str(path), "must be a file, and this is a folder")
    if not path.absolute().parent.is_dir():
        raise InvalidValue(key, str(path), "must lie in a folder that exists")


def require_folder(path: Path | None) -> None:
    """Raise InvalidValue for a path that cannot become the folder of figures."""
    if path is not None and path.exists() and not path.is_dir():
        raise InvalidValue("--figures", str(path), "must be a folder, and this is a file")


def print_json(value: object) -> None:
    """Print a value as JSON."""
    say(as_json(value))


def command_line(store: Store, *words: str) -> str:
    """Return a command as typed in this folder, with the store unless it is the default."""
    default = store == Store.at(os.environ.get("ESPALIER_STORE") or HERE)
    return shlex.join(["espalier", *words, *([] if default else ["--store", store.place])])

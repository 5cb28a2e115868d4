"""The command line. Commands that train nothing import neither torch nor Ray, and each imports only what it uses."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version as installed_version
from typing import Annotated, Final

import typer

from orchestrator.commands import evaluation, fronts, networks, progress, reports, runs, studies, upkeep
from orchestrator.terminal.printable import say
from trainables.errors import EspalierError, naming_files

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Search for the networks on the Pareto front of quality against computation and size.",
)

Command = tuple[str, Callable[..., None], str]
"""A command's name, its function, and an example of its use."""

COMMANDS: Final[dict[str, tuple[Command, ...]]] = {
    "Begin": (
        ("init", studies.init, "init mine.yaml"),
        ("plan", runs.plan, "plan studies/first.yaml"),
        ("paradigms", studies.paradigms, "paradigms"),
        ("schema", studies.schema, "schema > study.schema.json"),
    ),
    "Run": (
        ("launch", runs.launch, "launch studies/first.yaml"),
        ("resume", runs.resume, "resume first"),
        ("extend", runs.extend, "extend first-with-more-trials.yaml"),
    ),
    "Follow": (
        ("list", studies.list_studies, "list"),
        ("status", progress.status, "status first --watch"),
        ("logs", progress.logs, "logs first 3"),
        ("ui", upkeep.ui, "ui --port 5001"),
    ),
    "Results": (
        ("front", fronts.front, "front first --within 0.01"),
        ("show", studies.show, "show first 3"),
        ("report", reports.report, "report first"),
        ("compare", reports.compare, "compare first second"),
        ("verify", reports.verify, "verify first"),
        ("evaluate", evaluation.evaluate, "evaluate first --severity 3 --noise 0.1"),
        ("diagnose", evaluation.diagnose, "diagnose first 3"),
        ("export", networks.export, "export first 3 --format onnx"),
    ),
    "Upkeep": (
        ("sync", upkeep.sync, "sync first"),
        ("repair", upkeep.repair, "repair first"),
    ),
}
"""The commands, by the heading under which `--help` lists them."""


def main() -> None:
    """Run the command line; an error of the tree in `trainables.errors` is printed and gives the exit status."""
    sys.path.append(
        os.getcwd()
    )  # last, so that a file there hides no installed package; Ray's workers get this path too
    try:
        with naming_files():
            app(prog_name="espalier")
    except EspalierError as error:
        say(f"espalier: {error}", error=True)
        sys.exit(error.exit_status)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"espalier {installed_version('espalier')}")
        raise typer.Exit


@app.callback()
def espalier(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Search for the networks on the Pareto front of quality against computation and size."""


for _heading, _commands in COMMANDS.items():
    for _name, _function, _example in _commands:
        app.command(_name, rich_help_panel=_heading, epilog=f"Example: espalier {_example}")(_function)

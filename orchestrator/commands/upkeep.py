"""Commands that look after a store: its tables and MLflow pages, a damaged ledger."""

import errno
import os
import socket
import sys
from typing import Annotated

import typer

from orchestrator.commands import networks
from orchestrator.commands.arguments import HERE, AsJson, Name, Quiet, StoreFolder, console, print_json, store_at
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import NONE, UNTRACKED
from orchestrator.terminal.printable import say
from trainables.errors import InvalidValue


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
        if not synced.missing:
            say(f"{'MLflow:':<11}{UNTRACKED if spec.tracking == NONE else runs}")
    if synced.missing:
        say(f"espalier: {synced.missing}; the log is {folder.shown(folder.log)}", error=True)
        raise typer.Exit(1)
    if models or register:
        networks.write_models(name, studies, register=register, quiet=quiet)


def repair(
    name: Name,
    store: StoreFolder = HERE,
    yes: Annotated[bool, typer.Option("--yes", help="Repair the ledger; without this nothing is changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Save the intact part of a study's damaged ledger; a copy of the damaged one is kept."""
    from orchestrator.ledger import repair as repairing

    folder = store_at(store).existing(name, "NAME")
    diagnosis = repairing.diagnose(folder)
    damage, told = diagnosis.damage, list(diagnosis.lines())
    copy = repairing.carry_out(folder) if damage is not None and yes else None
    if damage is not None and copy is None:
        told.append("Nothing was changed; add --yes to repair the ledger.")
    if copy is not None:
        kept = f"the damaged ledger is kept: {folder.shown(copy)}" if copy.exists() else "there was no ledger to keep"
        told.append(f"Repaired; {kept}")
    if as_json:
        trials = {name: getattr(diagnosis, name) for name in ("as_told", "restored", "run_again", "lost")}
        print_json({"damaged": damage is not None, "repaired": copy is not None, **trials, "said": told})
    else:
        for line in told:
            say(line)
    if damage is not None and copy is None:
        raise typer.Exit(1)


def ui(
    store: StoreFolder = HERE,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65534, help="The port to listen on; MLflow takes the one after it.")
    ] = 5000,
    host: Annotated[
        str,
        typer.Option("--host", help="The address to listen on; one that others can reach asks them for a token."),
    ] = "127.0.0.1",
) -> None:
    """Open the store's live pages, and MLflow's beside them; stop it with Ctrl-C."""
    from orchestrator.ui import Address, serve

    studies = store_at(store)
    studies.names()  # a store that cannot be reached is refused now, not in a page
    _require_free("--port", host, port)
    if studies.remote is None and studies.mlflow_database.exists():
        _require_free("--port", "127.0.0.1", port + 1)
    serve(studies, Address.of(host, port, os.environ.get("ESPALIER_UI_TOKEN") or None), _say_at_once)


def _say_at_once(line: str) -> None:
    say(line)
    sys.stdout.flush()


def _require_free(key: str, host: str, port: int) -> None:
    """Raise InvalidValue for a port that cannot be listened on."""
    try:
        (family, kind, *_, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise InvalidValue("--host", host, "is no address of this machine") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise InvalidValue("--host", host, "is no address of this machine") from None
        raise InvalidValue(key, port, "is taken; name another one") from None

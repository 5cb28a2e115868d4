"""Commands that look at a store, or help to write a study file."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.arguments import (
    HERE,
    AsJson,
    Name,
    StoreFolder,
    TrialNumber,
    console,
    print_json,
    read,
    refusing,
    require_file,
    store_at,
)
from orchestrator.ledger.records import find_trial
from orchestrator.spec.names import SAFE_NAME
from orchestrator.terminal.printable import say
from trainables import paradigms as installed
from trainables.errors import InvalidValue


def list_studies(store: StoreFolder = HERE, as_json: AsJson = False) -> None:
    """List the studies of a store: state, trials, front, last change."""
    from orchestrator.results.overview import overview
    from orchestrator.terminal.trial_page import studies_table

    studies = store_at(store)
    lines = overview(studies)
    if as_json:
        print_json([line.as_object() for line in lines])
    else:
        console().print(studies_table(lines, studies.place))


def show(name: Name, trial: TrialNumber, store: StoreFolder = HERE, as_json: AsJson = False) -> None:
    """Show everything about one trial: hyper-parameters, metrics, epochs, where its checkpoint is."""
    from orchestrator.ledger import ledger
    from orchestrator.results.reference import dense_reference
    from orchestrator.terminal.objects import full_object
    from orchestrator.terminal.trial_page import trial_page

    folder = store_at(store).existing(name, "NAME")
    spec, records = read(folder)
    record = find_trial(records, trial)
    kept = ledger.kept_checkpoints(folder, trial)
    checkpoint = folder.shown(folder.checkpoint(kept[0])) if kept else None
    if as_json:
        print_json(full_object(record, spec.objectives, checkpoint))
    else:
        console().print(trial_page(spec, record, checkpoint, dense_reference(records, spec.objectives)), soft_wrap=True)


def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("study.yaml"),
) -> None:
    """Write a commented study file to begin with; an existing file is left alone."""
    with refusing("FILE", str(file), "name another file"):
        require_file(file, "FILE")
        text = files("orchestrator.spec").joinpath("template.yaml").read_text(encoding="utf-8")
        name = file.stem if SAFE_NAME.fullmatch(file.stem) else "study"
        try:
            with file.open("x", encoding="utf-8") as written:
                written.write(text.replace("name: NAME", f"name: {name}", 1))
        except FileExistsError:
            raise InvalidValue("FILE", str(file), "exists, and is left as it is; name another file") from None
    say(f"{file}: a study of a few minutes; check it by `espalier plan {file}`, run it by `espalier launch {file}`")


def schema() -> None:
    """Print the JSON schema of study files, with which editors complete their keys."""
    from orchestrator.spec.json_schema import study_schema

    print_json(study_schema())


def paradigms(as_json: AsJson = False) -> None:
    """List the installed paradigms and their hyper-parameters."""
    from orchestrator.terminal.objects import paradigm_object
    from orchestrator.terminal.tables import paradigm_table

    known = {name: installed.find(name) for name in installed.names()}
    if as_json:
        print_json([paradigm_object(name, paradigm) for name, paradigm in known.items()])
    else:
        console().print(paradigm_table(known))

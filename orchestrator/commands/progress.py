"""Commands that show how far a study is, and what its trials printed."""

import time
from collections.abc import Iterator
from typing import Annotated, Final

import typer
from rich.live import Live

from orchestrator.commands.arguments import (
    HERE,
    AsJson,
    Name,
    StoreFolder,
    TrialNumber,
    command_line,
    console,
    print_json,
    read,
    store_at,
)
from orchestrator.ledger.records import find_trial
from orchestrator.results.progress import Progress, progress
from orchestrator.store.attempts import attempts
from orchestrator.store.store import StudyFolder
from orchestrator.terminal import study_lines
from orchestrator.terminal.objects import log_object
from orchestrator.terminal.printable import say

SECONDS_BETWEEN_LOOKS: Final = 2.0
"""How often a watched study is read."""


def status(
    name: Name,
    store: StoreFolder = HERE,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show it again every two seconds, until the study stops or you press Ctrl-C."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a study's progress: what runs, what failed, the time left, and what was spent."""
    studies = store_at(store)
    folder = studies.existing(name, "NAME")
    commands = {verb: command_line(studies, verb, name) for verb in ("resume", "logs")}
    looks = _looks(folder) if watch else iter([progress(folder)])
    if as_json:
        for current in looks:
            print_json(current.as_object())
    elif watch:
        _watch(looks, commands)
    else:
        lines = study_lines.progress_lines(next(looks), **commands)
        console().print(lines, soft_wrap=True)  # commands must not be broken, so that they can be copied


def _looks(folder: StudyFolder) -> Iterator[Progress]:
    """Yield how far a study is until nobody drives it any more, or Ctrl-C is pressed."""
    try:
        while True:
            current = progress(folder)
            yield current
            if not current.driven:
                return
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except KeyboardInterrupt:
        return


def _watch(looks: Iterator[Progress], commands: dict[str, str]) -> None:
    output = console()
    with Live(console=output, auto_refresh=False, vertical_overflow="visible") as live:
        for current in looks:
            live.update(study_lines.progress_lines(current, **commands), refresh=True)


def logs(
    name: Name,
    trial: TrialNumber,
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show why a trial ended, with its tracebacks and everything it logged and printed."""
    from orchestrator.store.trial_files import trial_files

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

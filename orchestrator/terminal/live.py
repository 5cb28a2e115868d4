"""What a terminal shows of a study while it runs: a live table, or a line for every finished trial."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import TOLD
from orchestrator.results.summary import Summary, summarize
from orchestrator.spec.quality import quality_of
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder
from orchestrator.sweep.observer import Observer, Outcome
from orchestrator.terminal import study_lines, tables
from trainables import metrics

REFRESHES_PER_SECOND = 2
SHARE_FOR_SUMMARIES = 0.1
"""The most of the driver's time that summaries may take; their cost grows with the study."""


@contextmanager
def shown(console: Console, *, quiet: bool = False) -> Iterator[Observer | None]:
    """Give an observer that shows a study on the console, live if that is a terminal, until the block is left."""
    if quiet:
        yield None
    elif console.is_terminal:
        live = LiveTable(console)
        try:
            yield live
        finally:
            live.stop()
    else:
        yield Lines(console)


class Lines:
    """Prints one line for every trial that finishes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[int] = set()

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        self._spec, self._total, self._begun = spec, total, datetime.now(UTC)
        self._print(f"{spec.name}: {total} trials; the log is {folder.log}")

    def updated(self, record: TrialRecord) -> None:
        if record.state not in TOLD or record.trial in self._told:
            return
        self._told.add(record.trial)
        if _is_since(record, self._begun):
            title = f"trial {record.trial} {record.paradigm} {tables.configuration(self._spec, record)}".rstrip()
            self._print(f"[{len(self._told)}/{self._total}] {title}: {ending(self._spec, record)}")

    def finished(self, outcome: Outcome) -> None:
        """Print nothing: the command that ran the study shows the results."""

    def noticed(self, sentence: str) -> None:
        """Print the sentence, unless a signal came amid a write to the same stream, which cannot be entered twice."""
        with suppress(RuntimeError):
            if sentence:
                self._print(sentence)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def ending(spec: StudySpec, record: TrialRecord) -> str:
    """Return how a trial ended, in words."""
    if record.state is State.FAIL:
        return f"failed: {record.reason}"
    if record.state is State.PRUNED:
        return f"stopped early at {record.fidelity:.0%} of its budget"
    reached = (f"{quantities.name(name)} {quantities.show(name, record.metrics.get(name))}" for name in spec.objectives)
    return ", ".join(reached) + ("" if record.feasible else ", missing a constraint")


class LiveTable:
    """Shows a table of the study on the terminal and keeps it up to date."""

    def __init__(self, console: Console) -> None:
        self._records: dict[int, TrialRecord] = {}
        self._figures: Figures | None = None
        self._notice = ""
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=REFRESHES_PER_SECOND, transient=True
        )

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:  # noqa: ARG002 - an observer's
        self._figures, self._notice = Figures(spec), ""
        self._live.start()

    def updated(self, record: TrialRecord) -> None:
        self._records[record.trial] = record

    def noticed(self, sentence: str) -> None:
        """Show the sentence above the table, or without one yet, from the next drawing on."""
        self._notice = sentence
        if sentence:
            self._live.start(refresh=True)

    def finished(self, outcome: Outcome) -> None:  # noqa: ARG002 - an observer's
        self.stop()

    def refresh(self) -> None:
        """Draw the table now; the terminal's own thread does so twice a second."""
        self._live.refresh()

    def stop(self) -> None:
        """Remove the table from the terminal; does nothing if it is not there."""
        self._live.stop()

    def _render(self) -> RenderableType:
        """Return the table; called by the terminal's own thread, so it works on a copy."""
        notice = [Text(self._notice, style="bold yellow")] if self._notice else []
        picture = [self._figures.picture(list(self._records.values()))] if self._figures else []
        return Group(*notice, *picture, "")  # terminals write ^C where the picture ends: not into its last line


class Figures:
    """Draws the records of a running study."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._begun, self._since = datetime.now(UTC), time.monotonic()
        self._summary = summarize(spec, ())
        self._next_summary = 0.0

    def picture(self, records: Sequence[TrialRecord]) -> RenderableType:
        """Return the study's state, its progress and the running trials."""
        summary = self._summarized(records)
        running = [record for record in records if record.state is State.RUNNING]
        told = [record for record in records if record.state in (*TOLD, State.PAUSED)]
        under_way = sum(record.fidelity for record in running)
        done = sum(_is_since(record, self._begun) for record in told) + under_way
        return Group(
            Text.assemble((self._spec.name, "bold"), f": {study_lines.counts(summary)}"),
            self._bar(len(told) + under_way, done),
            Text(_reached(summary), style="green"),
            running_table(self._spec, running) if running else Text("Waiting for the first trial", style="dim"),
        )

    def _bar(self, spent: float, done: float) -> RenderableType:
        elapsed, total = time.monotonic() - self._since, self._spec.search.trials
        left = f", about {quantities.duration((total - spent) * elapsed / done)} left" if done > 0 else ""
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total, spent, width=40), f"{quantities.duration(elapsed)}{left}")
        return row

    def _summarized(self, records: Sequence[TrialRecord]) -> Summary:
        begin = time.monotonic()
        if begin >= self._next_summary:
            self._summary = summarize(self._spec, records)
            end = time.monotonic()
            self._next_summary = end + (end - begin) / SHARE_FOR_SUMMARIES
        return self._summary


def running_table(spec: StudySpec, records: Sequence[TrialRecord]) -> Table:
    """Return the running trials, with their last epoch."""
    table = Table(box=box.SIMPLE_HEAD, expand=True)
    quality = quality_of(spec.objectives).metric
    news_of = (metrics.short(quality), f"{metrics.short('macs')} at the end")
    for name in ("trial", "paradigm", "budget", "epoch", *news_of):
        table.add_column(name, justify="left" if name == "paradigm" else "right", no_wrap=True)
    table.add_column("hyper-parameters", no_wrap=True, overflow="ellipsis", ratio=1)
    for record in records:
        last = record.curve[-1] if record.curve else None
        reached = (
            str(last.epoch) if last else "",
            quantities.show(quality, last.figure(quality) if last else None),
            quantities.show("macs", last.macs_projected if last else None),
        )
        chosen = Text(tables.configuration(spec, record), style="dim")
        table.add_row(str(record.trial), record.paradigm, f"{record.fidelity:.0%}", *reached, chosen)
    return table


def _reached(summary: Summary) -> str:
    if not summary.best:
        return summary.no_front or ""
    front = f"hypervolume {summary.hypervolume:.3f}, {summary.on_front} on the front"
    return f"best: {study_lines.achievements(summary)}; {front}"


def _is_since(record: TrialRecord, begin: datetime) -> bool:
    return record.finished is None or record.finished.astimezone(UTC) >= begin

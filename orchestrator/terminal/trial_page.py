"""One trial as a page for the terminal, and the studies of a store as a table."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.overview import StudyLine
from orchestrator.spec.study_spec import StudySpec
from orchestrator.terminal.evaluation_tables import columns_table
from orchestrator.terminal.study_lines import trial_lines
from orchestrator.terminal.tables import titled
from trainables import metrics

MOST_EPOCHS = 20
"""The epochs of a curve that the page shows: of longer ones, evenly spaced ones and the last."""


def trial_page(
    spec: StudySpec, record: TrialRecord, checkpoint: str | None, reference: TrialRecord | None = None
) -> RenderableType:
    """Return everything that is known of a trial, beside the dense `reference` where classes are compared.

    `checkpoint` is where its newest checkpoint lies, if it has one.
    """
    parts: list[RenderableType] = [trial_lines(spec, record, record.attempts), _about(record, checkpoint)]
    parts += (
        [_named_values("hyper-parameters", {n: _value(v) for n, v in record.params.items()})] if record.params else []
    )
    parts += [_named_values("measured on the final network", _metrics(record))] if record.metrics else []
    parts += columns_table(record.metrics, reference.metrics if reference is not None else None)
    parts += [_curve(record.curve)] if record.curve else []
    return Group(*parts)


def studies_table(studies: Sequence[StudyLine], place: str) -> RenderableType:
    """Return the studies of a store, a row each."""
    if not studies:
        return Text(f"There is no study in {place} yet; `espalier init` writes a study file.", style="yellow")
    table = titled(f"Studies in {place}")
    table.add_column("study", style="cyan", no_wrap=True)
    table.add_column("state")
    for heading in ("trials done", "on the front", "last change"):
        table.add_column(heading, justify="right")
    for study in studies:
        done = f"{study.finished} of {study.trials}"
        table.add_row(study.name, study.trouble or study.state, done, str(study.on_front), _moment(study.changed))
    return table


def _about(record: TrialRecord, checkpoint: str | None) -> Text:
    begun = f"started {_moment(record.started)}, ended {_moment(record.finished)}"
    took = f"{quantities.duration(record.seconds)} of training, seed {record.seed}"
    return Text(f"{begun}; {took}\ncheckpoint: {checkpoint or 'none is kept'}", style="dim")


def _named_values(title: str, values: dict[str, str]) -> Table:
    table = titled(title)
    table.add_column("name", style="cyan", no_wrap=True)
    table.add_column("value", justify="right")
    for name, value in values.items():
        table.add_row(name, value)
    return table


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _metrics(record: TrialRecord) -> dict[str, str]:
    return {name: quantities.show(name, value) for name, value in record.metrics.items() if metrics.AT not in name}


def _curve(curve: Sequence[Epoch]) -> Table:
    table = titled("epochs")
    of_task = dict.fromkeys(name for epoch in curve for name in epoch.qualities)
    of_every_task = ("loss", "train_loss", "learning_rate", "macs_projected", "seconds")
    classified = any(epoch.accuracy is not None for epoch in curve)
    shown = (*(("accuracy",) if classified or not of_task else ()), *of_task, *of_every_task)
    table.add_column("epoch", justify="right")
    for name in shown:
        table.add_column(name.replace("_", " "), justify="right")
    for epoch in _some(curve):
        table.add_row(str(epoch.epoch), *(_figure(name, epoch.figure(name)) for name in shown))
    return table


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    metric = name.removesuffix("_projected")
    return quantities.show(metric, value) if metric in metrics.TABLE else f"{value:.4g}"


def _some(curve: Sequence[Epoch]) -> Sequence[Epoch]:
    step = -(-len(curve) // MOST_EPOCHS)
    return [*curve[step - 1 :: step], *([] if len(curve) % step == 0 else curve[-1:])]


def _moment(time: datetime | None) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}" if time is not None else ""

"""A study's report: one HTML page that needs no network."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import plotly.graph_objects as go
import plotly.io
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures import curves_figure, front_figure, hyperparameter_figure, hypervolume_figure
from orchestrator.report.figures.style import plain
from orchestrator.results import quantities
from orchestrator.results.cost_kinds import PHYSICAL, are_only_removed, cost_kind, over_physical_costs
from orchestrator.results.front import is_eligible, pareto_front
from orchestrator.results.machine_use import machine_use
from orchestrator.results.palette import colors
from orchestrator.results.potential import DELTA, Forgotten, forgotten, potentials, pruned, slopes
from orchestrator.results.reference import (
    accuracy_drop,
    dense_reference,
    points,
    reference_first,
    saved_or_not,
    why_no_reference,
)
from orchestrator.results.shares_of_front import holdings
from orchestrator.results.summary import Summary, summarize
from orchestrator.spec.study_spec import StudySpec
from trainables import metrics

COUNTED: Final = {
    "complete": "complete",
    "pruned": "stopped early",
    "failed": "failed",
    "running": "running",
    "paused": "paused",
}


@dataclass(frozen=True)
class Drawing:
    """A figure as HTML, and what it shows."""

    caption: str
    html: Markup


@dataclass(frozen=True)
class PhysicalFront:
    """The front over what is really smaller: its pictures, and the rows of its table, the reference first."""

    drawings: tuple[Drawing, ...]
    rows: tuple[TrialRecord, ...]
    members: frozenset[int]


def write_report(spec: StudySpec, records: Sequence[TrialRecord], path: Path, *, stamp: Mapping[str, Any]) -> None:
    """Write the page atomically: readers see the old page or the new one. The same records give the same page."""
    page = render(spec, sorted(records, key=lambda record: record.trial), stamp)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def render(spec: StudySpec, records: Sequence[TrialRecord], stamp: Mapping[str, Any]) -> str:
    """Return the page. All text that comes from a study is escaped, by the template or by the figures."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(show=quantities.show, named=quantities.name, plain=plain, span=quantities.duration)
    environment.globals.update(
        share_of_dense=metrics.share_of_dense, dense_twin=metrics.dense_twin, is_physical=metrics.is_physical
    )
    template = environment.from_string(files("orchestrator.report").joinpath("report.html").read_text(encoding="utf-8"))
    summary, reference = summarize(spec, records), dense_reference(records)
    return template.render(
        spec=spec,
        summary=summary,
        states=_states(summary),
        elapsed=_elapsed(records),
        front=reference_first(pareto_front(records, spec.objectives), reference),
        members=(members := {record.trial for record in pareto_front(records, spec.objectives)}),
        on_front=len(members),
        reference=reference,
        no_reference=why_no_reference(spec),
        drop=partial(_drop, reference),
        savings=saved_or_not(records, spec.objectives, reference),
        kind=cost_kind(spec.objectives),
        physical=list(_physical_front(spec, records)),
        physical_kind=PHYSICAL,
        only_removed=are_only_removed(records),
        columns=_columns(spec, records),
        tint=colors(record.paradigm for record in records),
        fronts=list(_fronts(spec, records)),
        holdings=holdings(records, spec.objectives),
        potentials=potentials(records),
        delta=DELTA,
        slopes=slopes(records),
        hurt=list(_hurt(records, reference)),
        growth=_draw("growth", hypervolume_figure(records, spec.objectives), "Hypervolume over trials"),
        learning=list(_learning(spec, records)),
        hyperparameters=list(_hyperparameters(spec, records)),
        records=records,
        use=(use := {record.trial: machine_use(record) for record in records}),
        used=[name for name in USAGE_FIELDS if any(name in of_trial for of_trial in use.values())],
        failed=[record for record in records if record.state is State.FAIL],
        stamp=dict(_flat(stamp)),
        plotly=Markup(get_plotlyjs()),
    )


def _hurt(
    records: Sequence[TrialRecord], reference: TrialRecord | None
) -> Iterator[tuple[int, float, list[Forgotten]]]:
    """Yield each evaluated trial that recognises a class less often than the dense network, with the share pruned."""
    dense = reference.metrics if reference is not None else {}
    for record in records:
        if hurt := forgotten(record.metrics, dense):
            yield record.trial, pruned(record, "params"), hurt


def _states(summary: Summary) -> list[tuple[str, int]]:
    return [(label, getattr(summary, name)) for name, label in COUNTED.items() if getattr(summary, name)]


def _elapsed(records: Sequence[TrialRecord]) -> float | None:
    """Return the seconds between the first start and the last end, downtime included."""
    starts = [record.started.timestamp() for record in records if record.started]
    ends = [record.finished.timestamp() for record in records if record.finished]
    return max(ends) - min(starts) if starts and ends else None


def _columns(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    """Return the metrics of the front table: validation beside test, what the study seeks, costs."""
    always = list(metrics.shown("front"))
    qualities = [metric for metric in always if metrics.unit(metric) is metrics.Unit.SHARE]
    columns = dict.fromkeys([*qualities, *spec.objectives, *always])
    return [metric for metric in columns if any(metric in record.metrics for record in records)]


def _drop(reference: TrialRecord | None, record: TrialRecord) -> str:
    return points(accuracy_drop(record, reference))


def _physical_front(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[PhysicalFront]:
    """Draw the front over physical costs, if the study seeks effective ones and a trial has measured both."""
    objectives = over_physical_costs(spec.objectives)
    members = pareto_front(records, objectives) if objectives is not None else []
    if objectives is None or not members:
        return
    (y, *others), drawings = objectives, []
    for x in (name for name in others if {name, y} - spec.objectives.keys()):
        caption = f"{quantities.name(y)} against {quantities.name(x)}"
        drawings.append(_draw(f"physical-{x}", front_figure(records, objectives, x), caption))
    numbers = frozenset(record.trial for record in members)
    yield PhysicalFront(tuple(drawings), tuple(reference_first(members, dense_reference(records))), numbers)


def _fronts(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[Drawing]:
    y, *others = spec.objectives
    for x in others or ["macs"]:
        caption = f"{quantities.name(y)} against {quantities.name(x)}"
        yield _draw(f"front-{x}", front_figure(records, spec.objectives, x), caption)


def _learning(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[Drawing]:
    for metric in ("accuracy", "loss"):
        yield _draw(f"curves-{metric}", curves_figure(records, spec.objectives, metric), quantities.name(metric))


def _hyperparameters(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[Drawing]:
    """Draw each paradigm that has hyper-parameters and at least two trials to compare."""
    for number, paradigm in enumerate(colors(record.paradigm for record in records)):
        trials = [r for r in records if r.paradigm == paradigm and r.params and is_eligible(r, spec.objectives)]
        if len(trials) > 1:
            figure = hyperparameter_figure(trials, spec.objectives)
            yield Drawing(f"{paradigm}: {len(trials)} eligible trials", _html(f"hyperparameters-{number}", figure))


def _draw(identity: str, figure: go.Figure, caption: str) -> Drawing:
    return Drawing(caption[:1].upper() + caption[1:], _html(identity, figure))


def _html(identity: str, figure: go.Figure) -> Markup:
    markup = plotly.io.to_html(
        figure,
        include_plotlyjs=False,
        full_html=False,
        div_id=identity,
        config={"displaylogo": False, "responsive": True},
    )
    return Markup(markup)


def _flat(plain: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the entries of nested mappings by dotted names."""
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", " ".join(map(str, value)) if isinstance(value, list) else str(value)

"""A study's report: one HTML page that needs no network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report import page, svg
from orchestrator.report.chart import Figure
from orchestrator.report.drawing import Drawing, drawing
from orchestrator.report.figures import (
    colored_figure,
    cost_figure,
    curves_figure,
    front_figure,
    hypervolume_figure,
    importance_figure,
    price_figure,
    published_figure,
    slice_figure,
    third_metrics,
)
from orchestrator.report.figures.slices import plain
from orchestrator.report.front_views import front_views, pairs
from orchestrator.report.trial_text import texts_as_json
from orchestrator.results import quantities
from orchestrator.results.cost_kinds import PHYSICAL, are_only_removed, cost_kind, over_physical_costs
from orchestrator.results.ensembles import CHOSEN_FROM, ensembles
from orchestrator.results.front import hypervolume_over_trials
from orchestrator.results.importance import importances
from orchestrator.results.machine_use import machine_use
from orchestrator.results.potential import DELTA, Forgotten, forgotten, potentials, pruned, slopes
from orchestrator.results.published import published_for
from orchestrator.results.reach import SHARES as REACH_SHARES
from orchestrator.results.reach import cost_of, reaches
from orchestrator.results.reference import (
    drop,
    heading,
    reference_first,
    saved_or_not,
    savings,
    share_of_dense,
    show_drop,
    why_no_reference,
)
from orchestrator.results.replicates import front_by_mean, metrics_by_mean, rivals
from orchestrator.results.shares_of_front import holdings
from orchestrator.results.summary import Summary, summary_of
from orchestrator.results.trials import Trials
from orchestrator.spec.quality import Quality, quality_of
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
class PhysicalFront:
    """The front over what is really smaller: its pictures, and the rows of its table, the reference first."""

    drawings: tuple[Drawing, ...]
    rows: tuple[TrialRecord, ...]
    members: frozenset[int]


def write_report(
    spec: StudySpec, records: Sequence[TrialRecord], path: Path, *, stamp: Mapping[str, Any], colors: Sequence[str] = ()
) -> None:
    """Write the page atomically: readers see the old page or the new one. The same records give the same page.

    `colors` are the metrics that are shown as colour over the front's axes; without any, `third_metrics` are.
    """
    page.write(render(spec, sorted(records, key=lambda record: record.trial), stamp, colors), path)


def render(
    spec: StudySpec, records: Sequence[TrialRecord], stamp: Mapping[str, Any], colors: Sequence[str] = ()
) -> str:
    """Return the page. All text that comes from a study is escaped, by the template or by the drawing of figures."""
    trials = Trials(records, spec.objectives, spec.bounds)
    draw = partial(drawing, numbers={paradigm: number for number, paradigm in enumerate(trials.looks)})
    return page.template("report.html").render(
        share_of_dense=share_of_dense,
        dense_twin=metrics.dense_twin,
        is_physical=metrics.is_physical,
        plain=plain,
        spec=spec,
        records=records,
        reference=trials.reference,
        swatches={paradigm: Markup(svg.marker(look.color, look.marker)) for paradigm, look in trials.looks.items()},
        stamp=dict(_flat(stamp)),
        trials=Markup(texts_as_json(records, trials.configurations if spec.search.seeds > 1 else ())),
        **_tables(spec, trials),
        **_means(spec, trials),
        **_answers_and_drawings(spec, trials, draw),
        colored=list(map(draw, _colored(trials, colors))),
    )


def _answers_and_drawings(spec: StudySpec, trials: Trials, draw: Callable[[Figure], Drawing]) -> dict[str, object]:
    """Return what a page says first, and its figures: both know the hypervolumes."""
    volumes = hypervolume_over_trials(trials.records, spec.objectives)
    return {**_answers(spec, trials, volumes), **_drawings(spec, trials, volumes, draw)}


def _answers(spec: StudySpec, trials: Trials, volumes: Sequence[float]) -> dict[str, object]:
    """Return what the page says first: how far the study is, and what is saved against the dense network."""
    summary, quality = summary_of(spec, trials, volumes), quality_of(spec.objectives)
    competing = trials.by_mean if spec.search.seeds > 1 else trials
    return {
        "summary": summary,
        "states": states(summary),
        "elapsed": _elapsed(trials.records),
        "no_reference": why_no_reference(spec),
        "drop": partial(_drop, quality, trials.reference),
        "quality": quality,
        "drop_heading": heading(quality),
        "savings": savings(competing.records, spec.objectives, competing.reference),
        "saved_or_not": saved_or_not(competing.records, spec.objectives, competing.reference),
        "fold": quantities.number,
    }


def _tables(spec: StudySpec, trials: Trials) -> dict[str, object]:
    """Return the rows of the page's tables, and which of their columns there are."""
    records, use = trials.records, {record.trial: machine_use(record) for record in trials.records}
    return {
        "front": reference_first(trials.front, trials.reference),
        "members": trials.members,
        "on_front": len(trials.members),
        "kind": cost_kind(spec.objectives),
        "physical_kind": PHYSICAL,
        "only_removed": are_only_removed(records),
        "columns": front_columns(spec, records),
        "holdings": holdings(records, spec.objectives),
        "reaches": reaches(trials),
        "reach_cost": cost_of(spec.objectives),
        "reach_shares": REACH_SHARES,
        "potentials": potentials(records),
        "delta": DELTA,
        "judged": {name: metrics.short(name) for name in metrics.EVALUATED},
        "ensembles": list(ensembles(records)),
        "chosen_from": CHOSEN_FROM,
        "slopes": slopes(records),
        "hurt": list(_hurt(records, trials.reference)),
        "use": use,
        "used": [name for name in USAGE_FIELDS if any(name in of_trial for of_trial in use.values())],
        "failed": [record for record in records if record.state is State.FAIL],
        "commands": _commands(spec, trials),
    }


def _means(spec: StudySpec, trials: Trials) -> dict[str, object]:
    """Return the front by the mean, each member with those that may dominate it, if the study asks for seeds."""
    members = front_by_mean(trials.records, spec.objectives, spec.bounds) if spec.search.seeds > 1 else []
    return {
        "means": list(zip(members, rivals(members, spec.objectives), strict=True)),
        "mean_columns": metrics_by_mean(members, spec.objectives),
    }


def _drawings(
    spec: StudySpec, trials: Trials, volumes: Sequence[float], draw: Callable[[Figure], Drawing]
) -> dict[str, object]:
    """Return the page's figures, drawn."""
    views = [(view, draw(view.figure(trials))) for view in front_views(spec)]
    return {
        "physical": list(_physical_front(spec, trials, draw)),
        "fronts_by_mean": [drawn for view, drawn in views if view.by_mean],
        "fronts": [drawn for view, drawn in views if not view.by_mean],
        "published": list(map(draw, _published(spec, trials.records))),
        "growth": draw(hypervolume_figure(spec, trials.records, volumes)),
        "learning": list(map(draw, _learning(trials))),
        "prices": list(map(draw, _shown(price_figure(trials.records, spec.objectives)))),
        "importances": list(map(draw, _importances(trials))),
        "slices": list(map(draw, _slices(trials))),
        "costs": draw(cost_figure(spec, trials.records)),
    }


def _hurt(
    records: Sequence[TrialRecord], reference: TrialRecord | None
) -> Iterator[tuple[int, float, list[Forgotten]]]:
    """Yield each evaluated trial that recognises a class less often than the dense network, with the share pruned."""
    dense = reference.metrics if reference is not None else {}
    for record in records:
        if hurt := forgotten(record.metrics, dense):
            yield record.trial, pruned(record, "params"), hurt


def figures(spec: StudySpec, records: Sequence[TrialRecord], colors: Sequence[str] = ()) -> list[Figure]:
    """Return all figures of a study's report, each under a name of its own; `colors` as in `write_report`."""
    trials = Trials(records, spec.objectives, spec.bounds)
    drawn = [
        *(view.figure(trials) for view in front_views(spec)),
        *_colored(trials, colors),
        *_published(spec, records),
        hypervolume_figure(spec, records),
        *_learning(trials),
        *_shown(price_figure(records, spec.objectives)),
        *_importances(trials),
        *_slices(trials),
        cost_figure(spec, records),
    ]
    return [figure for figure in drawn if not figure.is_empty]


def states(summary: Summary) -> list[tuple[str, int]]:
    return [(label, getattr(summary, name)) for name, label in COUNTED.items() if getattr(summary, name)]


def _elapsed(records: Sequence[TrialRecord]) -> float | None:
    """Return the seconds between the first start and the last end, downtime included."""
    starts = [record.started.timestamp() for record in records if record.started]
    ends = [record.finished.timestamp() for record in records if record.finished]
    return max(ends) - min(starts) if starts and ends else None


def front_columns(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    """Return the metrics of the front table: validation beside test, what the study seeks, costs."""
    always = list(metrics.shown("front"))
    qualities = [metric for metric in always if metrics.find(metric).tasks]
    columns = dict.fromkeys([*qualities, *spec.objectives, *always])
    measured = frozenset[str]().union(*(record.metrics for record in records))
    return [metric for metric in columns if metric in measured]


def _drop(quality: Quality, reference: TrialRecord | None, record: TrialRecord) -> str:
    return show_drop(quality, drop(quality, record, reference))


def _physical_front(spec: StudySpec, trials: Trials, draw: Callable[[Figure], Drawing]) -> Iterator[PhysicalFront]:
    """Draw the front over physical costs, if the study seeks effective ones and a trial has measured both."""
    objectives = over_physical_costs(spec.objectives)
    physical = Trials(trials.records, objectives or {})
    if objectives is None or not physical.front:
        return
    shown = [pair for pair in pairs(objectives) if set(pair) - spec.objectives.keys()]
    drawings = tuple(draw(front_figure(physical, x, y)) for y, x in shown)
    yield PhysicalFront(drawings, tuple(reference_first(physical.front, physical.reference)), physical.members)


def _colored(trials: Trials, colors: Sequence[str]) -> Iterator[Figure]:
    for metric in dict.fromkeys(colors) or third_metrics(trials.records, trials.objectives):
        yield from _shown(colored_figure(trials.records, trials.objectives, metric))


def _published(spec: StudySpec, records: Sequence[TrialRecord]) -> list[Figure]:
    theirs = published_for(spec.data.name, [network.name for network in spec.networks])
    return [published_figure(records, spec.objectives, theirs)] if theirs else []


def _learning(trials: Trials) -> list[Figure]:
    names = dict.fromkeys([*trials.objectives, "loss"])
    foretold = [name for name in names if metrics.foretold(name) and not metrics.dense_twin(name)]
    return [curves_figure(trials, metric) for metric in foretold]


def _by_paradigm(records: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    names = sorted({record.paradigm for record in records})
    return {name: [record for record in records if record.paradigm == name] for name in names}


def _importances(trials: Trials) -> Iterator[Figure]:
    for paradigm, records in _by_paradigm(trials.records).items():
        if shares := importances(records, trials.objectives):
            yield importance_figure(paradigm, shares, trials.looks[paradigm])


def _slices(trials: Trials) -> Iterator[Figure]:
    for paradigm, records in _by_paradigm(trials.records).items():
        yield from _shown(slice_figure(records, trials.objectives, trials.looks[paradigm], trials.members))


def _shown(figure: Figure) -> Iterator[Figure]:
    if not figure.is_empty:
        yield figure


def _commands(spec: StudySpec, trials: Trials) -> dict[str, str]:
    """Return what to type for more; the store is the reader's."""
    chosen = min(trials.members - ({trials.reference.trial} if trials.reference else set()), default=None)
    commands = {
        f"espalier front {spec.name} --hyperparameters": "the front in a terminal",
        f"espalier report {spec.name} --figures figures": "these figures as PDF, PNG and SVG",
        f"espalier resume {spec.name}": "what is left of the study, or was interrupted",
    }
    if chosen is not None:
        commands[f"espalier show {spec.name} {chosen}"] = f"everything about trial {chosen}"
        commands[f"espalier export {spec.name} {chosen}"] = f"the network of trial {chosen} as a file"
    return commands


def _flat(plain: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the entries of nested mappings by dotted names."""
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", " ".join(map(str, value)) if isinstance(value, list) else str(value)

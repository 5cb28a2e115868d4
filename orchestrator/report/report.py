"""A study's report: one HTML page that needs no network."""

import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report import page, svg
from orchestrator.report.chart import Figure
from orchestrator.report.drawing import Drawing, drawing
from orchestrator.report.figures import (
    cost_figure,
    curves_figure,
    front_caption,
    front_figure,
    hypervolume_figure,
    importance_figure,
    price_figure,
    published_figure,
    slice_figure,
)
from orchestrator.report.figures.slices import plain
from orchestrator.report.trial_text import trial_text
from orchestrator.results import quantities
from orchestrator.results.cost_kinds import PHYSICAL, are_only_removed, cost_kind, over_physical_costs
from orchestrator.results.front import Objectives, pareto_front, trials_on_front
from orchestrator.results.importance import importances
from orchestrator.results.machine_use import machine_use
from orchestrator.results.palette import looks
from orchestrator.results.potential import DELTA, Forgotten, forgotten, potentials, pruned, slopes
from orchestrator.results.published import published_for
from orchestrator.results.reference import (
    dense_reference,
    drop,
    heading,
    reference_first,
    saved_or_not,
    savings,
    show_drop,
    why_no_reference,
)
from orchestrator.results.replicates import front_by_mean, metrics_by_mean, rivals
from orchestrator.results.shares_of_front import holdings
from orchestrator.results.summary import Summary, summarize
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


def write_report(spec: StudySpec, records: Sequence[TrialRecord], path: Path, *, stamp: Mapping[str, Any]) -> None:
    """Write the page atomically: readers see the old page or the new one. The same records give the same page."""
    page.write(render(spec, sorted(records, key=lambda record: record.trial), stamp), path)


def render(spec: StudySpec, records: Sequence[TrialRecord], stamp: Mapping[str, Any]) -> str:
    """Return the page. All text that comes from a study is escaped, by the template or by the drawing of figures."""
    reference = dense_reference(records, spec.objectives)
    looked = looks(record.paradigm for record in records)
    draw = partial(drawing, numbers={paradigm: number for number, paradigm in enumerate(looked)})
    return page.template("report.html").render(
        share_of_dense=metrics.share_of_dense,
        dense_twin=metrics.dense_twin,
        is_physical=metrics.is_physical,
        plain=plain,
        spec=spec,
        records=records,
        reference=reference,
        swatches={paradigm: Markup(svg.marker(look.color, look.marker)) for paradigm, look in looked.items()},
        stamp=dict(_flat(stamp)),
        trials=Markup(trials_as_json(records)),
        **_answers(spec, records, reference),
        **_tables(spec, records, reference),
        **_means(spec, records),
        **_drawings(spec, records, draw),
    )


def _answers(spec: StudySpec, records: Sequence[TrialRecord], reference: TrialRecord | None) -> dict[str, object]:
    """Return what the page says first: how far the study is, and what is saved against the dense network."""
    summary, quality = summarize(spec, records), quality_of(spec.objectives)
    return {
        "summary": summary,
        "states": states(summary),
        "elapsed": _elapsed(records),
        "no_reference": why_no_reference(spec),
        "drop": partial(_drop, quality, reference),
        "quality": quality,
        "drop_heading": heading(quality),
        "savings": savings(records, spec.objectives, reference),
        "saved_or_not": saved_or_not(records, spec.objectives, reference),
        "fold": quantities.number,
    }


def _tables(spec: StudySpec, records: Sequence[TrialRecord], reference: TrialRecord | None) -> dict[str, object]:
    """Return the rows of the page's tables, and which of their columns there are."""
    front = pareto_front(records, spec.objectives)
    members, use = {record.trial for record in front}, {record.trial: machine_use(record) for record in records}
    return {
        "front": reference_first(front, reference),
        "members": members,
        "on_front": len(members),
        "kind": cost_kind(spec.objectives),
        "physical_kind": PHYSICAL,
        "only_removed": are_only_removed(records),
        "columns": front_columns(spec, records),
        "holdings": holdings(records, spec.objectives),
        "potentials": potentials(records),
        "delta": DELTA,
        "slopes": slopes(records),
        "hurt": list(_hurt(records, reference)),
        "use": use,
        "used": [name for name in USAGE_FIELDS if any(name in of_trial for of_trial in use.values())],
        "failed": [record for record in records if record.state is State.FAIL],
        "commands": _commands(spec, members, reference),
    }


def _means(spec: StudySpec, records: Sequence[TrialRecord]) -> dict[str, object]:
    """Return the front by the mean, each member with those that may dominate it, if the study asks for seeds."""
    members = front_by_mean(records, spec.objectives, spec.bounds) if spec.search.seeds > 1 else []
    return {
        "means": list(zip(members, rivals(members, spec.objectives), strict=True)),
        "mean_columns": metrics_by_mean(members, spec.objectives),
    }


def _drawings(spec: StudySpec, records: Sequence[TrialRecord], draw: Callable[[Figure], Drawing]) -> dict[str, object]:
    """Return the page's figures, drawn."""
    return {
        "physical": list(_physical_front(spec, records, draw)),
        "fronts": list(map(draw, _fronts(spec.objectives, records))),
        "published": list(map(draw, _published(spec, records))),
        "growth": draw(hypervolume_figure(spec, records)),
        "learning": list(map(draw, _learning(spec, records))),
        "prices": list(map(draw, _shown(price_figure(records, spec.objectives)))),
        "importances": list(map(draw, _importances(spec, records))),
        "slices": list(map(draw, _slices(spec, records))),
        "costs": draw(cost_figure(spec, records)),
    }


def _hurt(
    records: Sequence[TrialRecord], reference: TrialRecord | None
) -> Iterator[tuple[int, float, list[Forgotten]]]:
    """Yield each evaluated trial that recognises a class less often than the dense network, with the share pruned."""
    dense = reference.metrics if reference is not None else {}
    for record in records:
        if hurt := forgotten(record.metrics, dense):
            yield record.trial, pruned(record, "params"), hurt


def figures(spec: StudySpec, records: Sequence[TrialRecord]) -> list[Figure]:
    """Return all figures of a study's report, each under a name of its own."""
    drawn = [
        *_fronts(spec.objectives, records),
        *_published(spec, records),
        hypervolume_figure(spec, records),
        *_learning(spec, records),
        *_shown(price_figure(records, spec.objectives)),
        *_importances(spec, records),
        *_slices(spec, records),
        cost_figure(spec, records),
    ]
    return [figure for figure in drawn if not figure.is_empty]


def trials_as_json(records: Sequence[TrialRecord]) -> str:
    """Return what is said of each trial under the pointer; without a `<`, so that nothing in it ends the script."""
    texts = {str(record.trial): trial_text(record) for record in records}
    return json.dumps(texts, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")


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
    return [metric for metric in columns if any(metric in record.metrics for record in records)]


def _drop(quality: Quality, reference: TrialRecord | None, record: TrialRecord) -> str:
    return show_drop(quality, drop(quality, record, reference))


def _physical_front(
    spec: StudySpec, records: Sequence[TrialRecord], draw: Callable[[Figure], Drawing]
) -> Iterator[PhysicalFront]:
    """Draw the front over physical costs, if the study seeks effective ones and a trial has measured both."""
    objectives = over_physical_costs(spec.objectives)
    members = pareto_front(records, objectives) if objectives is not None else []
    if objectives is None or not members:
        return
    pairs = [pair for pair in _pairs(objectives) if set(pair) - spec.objectives.keys()]
    drawings = tuple(draw(front_figure(records, objectives, x, y)) for y, x in pairs)
    numbers = frozenset(record.trial for record in members)
    yield PhysicalFront(drawings, tuple(reference_first(members, dense_reference(records, objectives))), numbers)


def _pairs(objectives: Objectives) -> list[tuple[str, str]]:
    """Return the pairs of objectives, as (y, x); the MACs stand in where there is but one."""
    return list(combinations(objectives, 2)) or [(next(iter(objectives)), "macs")]


@dataclass(frozen=True)
class FrontView:
    """A way to look at a front: in a pair of objectives, near its best (`closely`), or among all trials."""

    x: str
    y: str
    closely: bool

    def figure(
        self, records: Sequence[TrialRecord], objectives: Objectives, only: Container[int] | None = None
    ) -> Figure:
        """Return the front so seen; `only` are the trials that are drawn."""
        return front_figure(records, objectives, self.x, self.y, closely=self.closely, only=only)

    @property
    def caption(self) -> str:
        """What is seen, in words."""
        return front_caption(self.x, self.y, closely=self.closely)


def front_views(objectives: Objectives) -> list[FrontView]:
    """Return the views in each pair of objectives, near the best of the front; then those among all trials."""
    return [FrontView(x, y, closely) for closely in (True, False) for y, x in _pairs(objectives)]


def _fronts(objectives: Objectives, records: Sequence[TrialRecord]) -> list[Figure]:
    return [view.figure(records, objectives) for view in front_views(objectives)]


def _published(spec: StudySpec, records: Sequence[TrialRecord]) -> list[Figure]:
    theirs = published_for(spec.data.name, [network.name for network in spec.networks])
    return [published_figure(records, spec.objectives, theirs)] if theirs else []


def _learning(spec: StudySpec, records: Sequence[TrialRecord]) -> list[Figure]:
    foretold = [name for name in (*spec.objectives, "loss") if metrics.foretold(name) and not metrics.dense_twin(name)]
    return [curves_figure(records, spec.objectives, metric) for metric in dict.fromkeys(foretold)]


def _by_paradigm(records: Sequence[TrialRecord]) -> dict[str, list[TrialRecord]]:
    names = sorted({record.paradigm for record in records})
    return {name: [record for record in records if record.paradigm == name] for name in names}


def _importances(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[Figure]:
    looked = looks(record.paradigm for record in records)
    for paradigm, trials in _by_paradigm(records).items():
        if shares := importances(trials, spec.objectives):
            yield importance_figure(paradigm, shares, looked[paradigm])


def _slices(spec: StudySpec, records: Sequence[TrialRecord]) -> Iterator[Figure]:
    members = trials_on_front(records, spec.objectives)
    looked = looks(record.paradigm for record in records)
    for paradigm, trials in _by_paradigm(records).items():
        yield from _shown(slice_figure(trials, spec.objectives, looked[paradigm], members))


def _shown(figure: Figure) -> Iterator[Figure]:
    if not figure.is_empty:
        yield figure


def _commands(spec: StudySpec, members: set[int], reference: TrialRecord | None) -> dict[str, str]:
    """Return what to type for more; the store is the reader's."""
    chosen = min(members - ({reference.trial} if reference else set()), default=None)
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

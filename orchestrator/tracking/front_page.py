"""The front as MLflow shows it on a study's parent run: a table and a description."""

import json
import math
from collections import Counter
from collections.abc import Container, Sequence
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.cost_kinds import cost_kind
from orchestrator.results.front import hypervolume_over_trials
from orchestrator.results.reference import (
    dense_reference,
    drop,
    heading,
    reference_first,
    saved_or_not,
    show_drop,
)
from orchestrator.results.replicates import Replicates, front_by_mean, metrics_by_mean, rivals
from orchestrator.spec.quality import quality_of
from orchestrator.tracking.saved_views import OF_SINGLE_TRIALS, ON_FRONT, address
from orchestrator.tracking.steps import TrackedStudy
from trainables import metrics

LONGEST_NOTE: Final = 15


def tables(study: TrackedStudy, records: Sequence[TrialRecord], front: Sequence[TrialRecord]) -> dict[str, str]:
    """Return the tables that MLflow shows of a study, by file: its front, and that of single trials if it has both."""
    of_trials = table(study, records, front)
    if study.means_within is None:
        return {"front.json": of_trials}
    return {"front.json": _table_of_means(study, records), "front_of_single_trials.json": of_trials}


def table(study: TrackedStudy, records: Sequence[TrialRecord], front: Sequence[TrialRecord]) -> str:
    """Return the front, after the dense network as its reference, as the JSON that MLflow shows as a table."""
    reference, quality = dense_reference(records, study.objectives), quality_of(study.objectives)
    listed, members = reference_first(front, reference), {record.trial for record in front}
    columns = dict.fromkeys([*study.objectives, *metrics.shown("mlflow")])
    shown = [name for name in columns if any(name in record.metrics for record in listed)]
    named = ["trial", "paradigm", *shown, quality.drop_name, "role", "seed", "hyper-parameters"]
    rows = [
        [
            r.trial,
            r.paradigm,
            *(_finite(r.metrics.get(name)) for name in shown),
            _finite(drop(quality, r, reference)),
            _role(r, reference, members),
            r.seed,
            json.dumps(dict(r.params)),
        ]
        for r in listed
    ]
    return json.dumps({"columns": named, "data": rows})


def _table_of_means(study: TrackedStudy, records: Sequence[TrialRecord]) -> str:
    """Return the front by the mean over seeds as JSON: each mean with half its interval beside it."""
    front = front_by_mean(records, study.objectives, study.means_within or ())
    shown = metrics_by_mean(front, study.objectives)
    estimates = [[member.estimate(name) for name in shown] for member in front]
    columns = [column for name in shown for column in (f"mean {name}", f"+/- {name}")]
    rows = [
        [
            member.first.trial,
            member.first.paradigm,
            len(member.records),
            *(number for of in known for number in ((of.mean, of.half_width) if of else (None, None))),
            ", ".join(map(str, others)),
            json.dumps(dict(member.first.params)),
        ]
        for member, known, others in zip(front, estimates, rivals(front, study.objectives), strict=True)
    ]
    named = ["trial", "paradigm", "seeds", *columns, "may be dominated by", "hyper-parameters"]
    return json.dumps({"columns": named, "data": rows})


def _role(record: TrialRecord, reference: TrialRecord | None, members: Container[int]) -> str:
    if reference is None or record.trial != reference.trial:
        return "front"
    return "reference, front" if record.trial in members else "reference"


def _finite(value: float | None) -> float | None:
    """Return a number that JSON has: MLflow's page does not read others."""
    return value if value is not None and math.isfinite(value) else None


def note(study: TrackedStudy, records: Sequence[TrialRecord], front: Sequence[TrialRecord], experiment: str) -> str:
    """Return the description of the study, in Markdown."""
    reference, kind = dense_reference(records, study.objectives), cost_kind(study.objectives)
    volumes = hypervolume_over_trials(records, study.objectives)
    aims = ", ".join(f"{direction} {quantities.name(name)}" for name, direction in study.objectives.items())
    lines = [
        f"**{_counts(records)}** · {aims} · [table of all trials]({address(experiment, 'trials')})",
        "",
        *_by_mean(study, records, experiment),
        f"{_front_link(study, experiment)}: {len(front)} trials, hypervolume {(volumes or [0.0])[-1]:.3f}; its members "
        f"are the runs with `tags.{_mark(study)} = 'true'`, picture and table are artifacts of the parent run. "
        "Validation results select the front; test results are only shown."
        + (f" The front is {kind}." if kind else ""),
        "",
        *[f"{saving}\n" for saving in saved_or_not(records, study.objectives, reference)],
        *_markdown_table(study, reference_first(front[:LONGEST_NOTE], reference), reference),
    ]
    more = len(front) - LONGEST_NOTE
    return "\n".join([*lines, *([f"\n… and {more} more"] if more > 0 else [])])


def _front_link(study: TrackedStudy, experiment: str) -> str:
    """Return a link to the front of single trials, which is the front of a study that does not ask for seeds."""
    if study.means_within is None:
        return f"[Front]({address(experiment, 'front')})"
    return f"[Front of single trials]({address(experiment, 'single-trials')})"


def _mark(study: TrackedStudy) -> str:
    return ON_FRONT if study.means_within is None else OF_SINGLE_TRIALS


def _by_mean(study: TrackedStudy, records: Sequence[TrialRecord], experiment: str) -> list[str]:
    """Return the front by the mean over seeds in Markdown, if the study asks for seeds."""
    if study.means_within is None:
        return []
    front = front_by_mean(records, study.objectives, study.means_within)
    if not front:
        return []
    columns = metrics_by_mean(front, study.objectives)
    head = ["trial", "paradigm", "seeds", *map(quantities.name, columns), "may be dominated by"]
    doubted = rivals(front, study.objectives)
    rows = [_mean_row(member, columns, others) for member, others in zip(front, doubted, strict=True)]
    link = f"**[Front by the mean over seeds]({address(experiment, 'front')})**"
    title = (
        f"{link}: {len(front)} configurations, each named by its first trial, the run with `tags.{ON_FRONT} = 'true'`"
    )
    more = f", the first {LONGEST_NOTE} of them here" if len(front) > LONGEST_NOTE else ""
    return [f"{title}{more}; +/- is half the 95 % interval of the mean.", "", *_lines([head, *rows[:LONGEST_NOTE]]), ""]


def _mean_row(member: Replicates, columns: Sequence[str], others: Sequence[int]) -> list[str]:
    estimates = [(name, member.estimate(name)) for name in columns]
    means = ["-" if of is None else of.show(name) for name, of in estimates]
    first = member.first
    return [str(first.trial), first.paradigm, str(len(member.records)), *means, ", ".join(map(str, others))]


def _counts(records: Sequence[TrialRecord]) -> str:
    names = {State.COMPLETE: "complete", State.PRUNED: "stopped early", State.FAIL: "failed"}
    states = Counter(record.state for record in records)
    counted = ", ".join(f"{states[state]} {name}" for state, name in names.items() if states[state])
    return f"{len(records)} trials" + (f": {counted}" if counted else "")


def _markdown_table(study: TrackedStudy, rows: Sequence[TrialRecord], reference: TrialRecord | None) -> list[str]:
    quality = quality_of(study.objectives)
    columns = list(dict.fromkeys([*study.objectives, f"test_{quality.metric}"]))
    head = ["trial", "paradigm", *map(quantities.name, columns), heading(quality)]
    cells = [
        [
            str(r.trial),
            r.paradigm + (" (reference)" if reference is not None and r.trial == reference.trial else ""),
            *(quantities.show(m, r.metrics.get(m)) for m in columns),
            show_drop(quality, drop(quality, r, reference)),
        ]
        for r in rows
    ]
    return _lines([head, *cells])


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table, its head first, in Markdown."""
    return [f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]

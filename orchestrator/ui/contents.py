"""What the pages show, as values: a store, a study, a trial, and trials beside each other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from markupsafe import Markup

from orchestrator.ledger.records import State, TrialRecord, find_trial
from orchestrator.networks.formats import Format
from orchestrator.report import svg
from orchestrator.report.chart import Figure
from orchestrator.report.drawing import Drawing, drawing
from orchestrator.report.figures import hypervolume_figure
from orchestrator.report.figures.slices import plain
from orchestrator.report.front_views import front_views
from orchestrator.report.report import front_columns, states
from orchestrator.report.trial_text import texts_as_json
from orchestrator.results import quantities
from orchestrator.results.overview import StudyLine
from orchestrator.results.reference import drop as drop_of
from orchestrator.results.reference import heading, reference_first, saved_or_not, show_drop
from orchestrator.results.replicates import Replicates
from orchestrator.spec.quality import quality_of
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import Attempt, attempts
from orchestrator.store.trial_files import trial_files
from orchestrator.terminal.study_lines import attempt_heading, spent_line, trial_line
from orchestrator.terminal.tables import measured
from orchestrator.ui.figures import curve_figure
from orchestrator.ui.filters import Filter
from orchestrator.ui.means import Means, means_of, stands
from orchestrator.ui.watched import Snapshot
from trainables import metrics
from trainables.errors import InvalidValue
from trainables.references import is_reference

MOST_TRIALS: Final = 100
"""The trials that each table of a study's page lists."""

MOST_COMPARED: Final = 6
"""The trials that one page compares."""

LONGEST_LOG: Final = 60_000
"""The characters of a log's end that a page shows."""


@dataclass(frozen=True)
class StudyCard:
    """A study on the page of its store; `picture` is its front, small, if it has one."""

    line: StudyLine
    picture: Markup | None = None
    hypervolume: float = 0.0
    left: str | None = None


@dataclass(frozen=True)
class Row:
    """A trial in a table: what its columns hold, as text."""

    trial: int
    paradigm: str
    swatch: Markup
    state: str
    cells: tuple[str, ...]
    settings: str
    remark: str = ""


@dataclass(frozen=True)
class StudyPage:
    """A study as its page shows it; `shown` are the trials that the filter lets through."""

    study: Snapshot
    states: Sequence[tuple[str, int]]
    spent: str
    left: str | None
    under_way: Sequence[str]
    savings: Sequence[str]
    trouble: str | None
    shown: int
    front: Drawing | None
    growth: Drawing
    columns: Sequence[str]
    means: Means | None
    on_front: int
    members: Sequence[Row]
    newest: Sequence[Row]


@dataclass(frozen=True)
class TrialPage:
    """A trial as its page shows it: on which front it `stands`, and what was measured of the final network, as text."""

    study: Snapshot
    record: TrialRecord
    stands: str
    figures: Mapping[str, str]
    settings: Mapping[str, str]
    curves: Sequence[Drawing]
    logs: Sequence[tuple[str, str]]
    formats: Sequence[str]
    loads_foreign_code: bool
    texts: Markup


@dataclass(frozen=True)
class ComparisonPage:
    """Trials of a study beside each other: a row for each figure and setting, a column for each trial."""

    study: Snapshot
    records: Sequence[TrialRecord]
    figures: Mapping[str, Sequence[str]]
    settings: Mapping[str, Sequence[str]]
    curves: Sequence[Drawing]
    loads_foreign_code: bool
    texts: Markup


def study_card(study: Snapshot) -> StudyCard:
    """Return a study as its store's page shows it."""
    figure = front_views(study.spec)[0].figure(study.trials)
    picture = None if figure.is_empty else Markup(svg.svg(figure.charts[0], {}, svg.SMALL))
    return StudyCard(study.line, picture, study.progress.summary.hypervolume, _left(study))


def study_page(study: Snapshot, chosen: Filter) -> StudyPage:
    """Return what a study's page shows of the trials that a filter lets through."""
    spec, records, summary = study.spec, study.records, study.progress.summary
    shown = chosen.apply(study)
    draw, columns, views = _drawer(study), front_columns(spec, records), front_views(spec)
    figure = views[min(chosen.view, len(views) - 1)].figure(study.trials, shown.trials)
    competing = study.trials.by_mean if study.shows_means else study.trials
    row = partial(_row, study, columns, _swatches(study))
    members = [record for record in study.trials.front if record.trial in shown.trials]
    newest = [record for record in reversed(records) if record.trial in shown.trials]
    return StudyPage(
        study,
        states(summary),
        spent_line(study.progress).plain.removeprefix("spent: "),
        _left(study),
        [trial_line(trial, study.progress).plain for trial in study.progress.under_way],
        saved_or_not(competing.records, spec.objectives, competing.reference),
        shown.trouble,
        len(newest),
        None if figure.is_empty else draw(figure),
        draw(hypervolume_figure(spec, records, study.volumes)),
        [*map(quantities.name, columns), heading(quality_of(spec.objectives))],
        means_of(study, shown.trials, _swatches(study)) if study.shows_means else None,
        len(members),
        [row(record) for record in reference_first(members[:MOST_TRIALS], study.trials.reference)],
        [row(record) for record in newest[:MOST_TRIALS]],
    )


def view_captions(spec: StudySpec) -> list[str]:
    """Return the views of a front among which a reader chooses."""
    return [view.caption for view in front_views(spec)]


def trial_page(study: Snapshot, number: int) -> TrialPage:
    """Return what a trial's page shows; raises InvalidValue if there is no such trial."""
    record, reference = find_trial(study.records, number), study.trials.reference
    return TrialPage(
        study,
        record,
        stands(study, record),
        {quantities.name(name): measured(name, record.metrics, reference) for name in _measured([record])},
        {name: plain(value) for name, value in record.params.items()},
        _curves(study, [record]),
        [(attempt_heading(attempt).strip("- "), _log(attempt)) for attempt in _attempts(study, number)],
        [kind.value for kind in Format] if record.state is State.COMPLETE else [],
        _loads_foreign_code(study),
        Markup(texts_as_json([record])),
    )


def configuration(study: Snapshot, number: int) -> Replicates:
    """Return the configuration that a trial is the first of; raises InvalidValue if it is of none."""
    first = find_trial(study.records, number)
    found = next((group for group in study.trials.configurations if group.first.trial == first.trial), None)
    if found is None:
        raise InvalidValue("TRIAL", number, "is not the first finished trial of a configuration")
    return found


def comparison_page(study: Snapshot, numbers: Sequence[int]) -> ComparisonPage:
    """Return some trials beside each other; raises InvalidValue for one that there is not."""
    records = [find_trial(study.records, number) for number in dict.fromkeys(numbers[:MOST_COMPARED])]
    names, reference = dict.fromkeys(name for record in records for name in record.params), study.trials.reference
    return ComparisonPage(
        study,
        records,
        {quantities.name(name): [measured(name, r.metrics, reference) for r in records] for name in _measured(records)},
        {name: [plain(r.params[name]) if name in r.params else "-" for r in records] for name in names},
        _curves(study, records),
        _loads_foreign_code(study),
        Markup(texts_as_json(records)),
    )


def _left(study: Snapshot) -> str | None:
    """Return how much time a running study is expected to need, from now."""
    seconds = study.progress.seconds_left
    return quantities.duration(seconds) if study.progress.driven and seconds else None


def _swatches(study: Snapshot) -> Mapping[str, Markup]:
    return {paradigm: Markup(svg.marker(look.color, look.marker)) for paradigm, look in study.trials.looks.items()}


def _drawer(study: Snapshot) -> Callable[[Figure], Drawing]:
    numbers = {paradigm: number for number, paradigm in enumerate(study.trials.looks)}
    return lambda figure: drawing(figure, numbers)


def _row(study: Snapshot, columns: Sequence[str], swatches: Mapping[str, Markup], record: TrialRecord) -> Row:
    quality, reference = quality_of(study.spec.objectives), study.trials.reference
    cells = [measured(name, record.metrics, reference) if record.metrics else "" for name in columns]
    is_reference_trial = reference is not None and record.trial == reference.trial
    return Row(
        record.trial,
        record.paradigm,
        swatches[record.paradigm],
        record.state.value,
        (*cells, show_drop(quality, drop_of(quality, record, reference)) if record.metrics else ""),
        ", ".join(f"{name} {plain(value)}" for name, value in record.params.items()),
        "the reference" if is_reference_trial else record.reason or "",
    )


def _measured(records: Sequence[TrialRecord]) -> list[str]:
    names = dict.fromkeys(name for record in records for name in record.metrics)
    return [name for name in names if metrics.AT not in name]


def _curves(study: Snapshot, records: Sequence[TrialRecord]) -> list[Drawing]:
    names = dict.fromkeys([quality_of(study.spec.objectives).metric, "loss", "train_loss"])
    figures: list[Figure] = [curve_figure(records, name) for name in names]
    return [drawing(figure, {}) for figure in figures if not figure.is_empty]


def _attempts(study: Snapshot, number: int) -> list[Attempt]:
    trial_files(study.folder).fetch_texts(number)
    return attempts(study.folder.trials, number)


def _log(attempt: Attempt) -> str:
    text = f"{attempt.log}{attempt.error}"
    left_out = len(text) - LONGEST_LOG
    return text if left_out <= 0 else f"... {left_out} characters before this\n{text[-LONGEST_LOG:]}"


def _loads_foreign_code(study: Snapshot) -> bool:
    """Return whether loading a network of this study imports code that its file names."""
    return any(is_reference(network.name) for network in study.spec.networks)

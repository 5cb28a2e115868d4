"""Tables for the terminal: the front of a study, its state, the paradigms."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.ledger.cluster import Noted
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.cost_kinds import PHYSICAL, are_only_removed, cost_kind, over_physical_costs
from orchestrator.results.fairness import SETUPS, satisfied_setups, unequal
from orchestrator.results.front import pareto_front, spread
from orchestrator.results.no_front import why_no_front
from orchestrator.results.progress import FailedAlike, Progress, UnderWay, failed_alike
from orchestrator.results.reference import (
    DROP,
    accuracy_drop,
    dense_reference,
    points,
    reference_first,
    saved_or_not,
    why_no_reference,
)
from orchestrator.results.selection import Selection
from orchestrator.results.shares_of_front import Holding, holdings
from orchestrator.results.summary import Summary
from orchestrator.spec.study_spec import Range, StudySpec
from orchestrator.store.attempts import Attempt
from trainables import metrics
from trainables.paradigms.base import Paradigm
from trainables.spec import Value

MOST_ROWS = 200
"""The members that a table of a front shows: where trials are equal, a front can hold most of a long study."""

WHOLE = Selection()
"""All of a front, in its order."""

FEW = 5
"""Up to how many metrics have room for a value and its share of the dense network's on one line."""

MOST_NUMBERS = 30
"""The trials that a line names."""


def front_table(spec: StudySpec, records: Sequence[TrialRecord], selection: Selection = WHOLE) -> RenderableType:
    """Return the front: the dense network as its reference, then the members, best first by the study's first
    objective; what pruning saves, which paradigm holds which part, and the setups in which it is a fair comparison.
    """
    front = pareto_front(records, spec.objectives)
    if not front:
        return Text(why_no_front(spec, records), style="yellow")
    reference = dense_reference(records)
    chosen = selection.of(front, records, spec.objectives)
    members = chosen if selection.sort else spread(chosen, spec.objectives, MOST_ROWS)
    title = _title(spec, records, front, chosen, selection)
    parts: list[RenderableType] = [_members_table(spec, title, front, reference_first(members, reference), reference)]
    if len(members) < len(chosen):
        parts.append(Text(f"{MOST_ROWS} of {len(chosen)} members, spread over the front; --json gives all of them"))
    held = holdings(records, spec.objectives)
    if len(held) > 1:
        parts.append(holdings_table(held, _measured_columns(spec, front)))
    parts += [Text(line) for line in reference_lines(spec, records)]
    return Group(*parts, Text(comparability(front) + trained_elsewhere(spec), style="dim"))


def _title(
    spec: StudySpec,
    records: Sequence[TrialRecord],
    front: Sequence[TrialRecord],
    chosen: Sequence[TrialRecord],
    selection: Selection,
) -> str:
    complete, kind = sum(record.state is State.COMPLETE for record in records), cost_kind(spec.objectives)
    lines = [f"Pareto front of {spec.name}: {len(front)} of {complete} complete trials", *([kind] if kind else [])]
    only = selection.words(records, spec.objectives)
    return "\n".join([*lines, *([f"{len(chosen)} shown: {only}"] if only else [])])


def _members_table(
    spec: StudySpec,
    title: str,
    front: Sequence[TrialRecord],
    rows: Sequence[TrialRecord],
    reference: TrialRecord | None,
) -> Table:
    shown, members = _columns(spec, rows), {record.trial for record in front}
    table = titled(title)
    table.add_column("trial", justify="right")
    table.add_column("paradigm", style="cyan", no_wrap=True)
    table.add_column("seed", justify="right")
    for metric in shown:
        table.add_column(_heading_of(metric), justify="right", max_width=16 if len(shown) <= FEW else 11)
    table.add_column("hyper-parameters", overflow="fold")
    for record in rows:
        is_reference = reference is not None and record.trial == reference.trial
        figures = (_cell(metric, record, reference) for metric in shown)
        about = (str(record.trial), record.paradigm + (" (reference)" if is_reference else ""), str(record.seed))
        settings = configuration(spec, record) + ("" if record.trial in members else "not on the front")
        table.add_row(*about, *figures, Text(settings, style="dim"), style="bold" if is_reference else "")
    return table


def reference_lines(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    """Return what pruning saves against the dense network, and which trials are on the front over physical costs."""
    reference = dense_reference(records)
    saved = saved_or_not(records, spec.objectives, reference)
    missing = [] if reference is not None else [f"No reference: {why_no_reference(spec)}."]
    return [*missing, *saved, *_physical_front(spec, records)]


def _physical_front(spec: StudySpec, records: Sequence[TrialRecord]) -> list[str]:
    objectives = over_physical_costs(spec.objectives)
    members = pareto_front(records, objectives) if objectives is not None else []
    if not members or are_only_removed(records):
        return []
    numbers = ", ".join(str(record.trial) for record in members[:MOST_NUMBERS])
    more = f" and {len(members) - MOST_NUMBERS} more" if len(members) > MOST_NUMBERS else ""
    return [f"The front {PHYSICAL}: trials {numbers}{more}; --physical shows it"]


def _columns(spec: StudySpec, rows: Sequence[TrialRecord]) -> list[str]:
    """Return the columns of a front: what was measured, and the drop in accuracy where the reference is known."""
    known = _measured_columns(spec, rows)
    if "accuracy" in known and dense_reference(rows) is not None:
        known.insert(known.index("accuracy") + 1, DROP)
    return known


def _measured_columns(spec: StudySpec, rows: Sequence[TrialRecord]) -> list[str]:
    """Return the metrics of a front: qualities, what the study seeks, sizes; physical costs only where they differ."""
    always = [name for name in metrics.shown("front") if not metrics.is_physical(name)]
    always += [] if are_only_removed(rows) else ["macs_physical"]
    qualities = [metric for metric in always if metrics.unit(metric) is metrics.Unit.SHARE]
    named = dict.fromkeys([*qualities, *spec.objectives, *always])
    return [name for name in named if any(name in record.metrics for record in rows)]


def _heading_of(metric: str) -> str:
    return "drop in points" if metric == DROP else quantities.name(metric)


def _cell(metric: str, record: TrialRecord, reference: TrialRecord | None) -> str:
    if metric == DROP:
        return points(accuracy_drop(record, reference))
    return measured(metric, record.metrics)


def holdings_table(held: Sequence[Holding], shown: Sequence[str]) -> Table:
    """Return how many members of the front each paradigm has, and the range of their values in each metric."""
    table = titled("Which paradigm holds which part of the front")
    table.add_column("paradigm", style="cyan", no_wrap=True)
    table.add_column("members", justify="right")
    table.add_column("of eligible trials", justify="right")
    for metric in shown:
        table.add_column(quantities.name(metric), justify="right")
    for holding in held:
        extents = (holding.extent(metric) for metric in shown)
        table.add_row(holding.paradigm, str(len(holding.members)), str(holding.eligible), *extents)
    return table


def comparability(front: Sequence[TrialRecord]) -> str:
    """Return in which setups of arXiv 2301.05219 the trials may be compared, and what else differs."""
    satisfied = satisfied_setups(front)
    broken = (setup for setup in SETUPS if setup not in satisfied)
    differing = dict.fromkeys(quantity for setup in broken for quantity in unequal(front, setup))
    named = ", ".join(quantity.replace("_", " ") for quantity in differing)
    return f"comparable in {', '.join(satisfied) or 'no setup'}" + (f"; they differ in {named}" if named else "")


def trained_elsewhere(spec: StudySpec) -> str:
    """Return which weights the networks start from, since no figure counts what these cost; empty if from none."""
    weights = dict.fromkeys(network.weights for network in spec.networks if network.weights is not None)
    named = ", ".join(map(str, weights))
    return f"; the training of {named}, from which networks start, is not counted" if named else ""


def measured(metric: str, values: Mapping[str, float]) -> str:
    """Return a metric in human units, with its share of the dense network's where that is known."""
    share = metrics.share_of_dense(metric, values)
    return quantities.show(metric, values.get(metric)) + (f" ({share:.1%})" if share is not None else "")


def configuration(spec: StudySpec, record: TrialRecord) -> str:
    """Return the hyper-parameters that were searched, in short; those that the study fixes are the same everywhere."""
    chosen = spec.paradigms.get(record.paradigm, {})
    searched = {name: value for name, value in record.params.items() if isinstance(chosen.get(name, []), list | Range)}
    return " ".join(f"{name}={_setting(value)}" for name, value in searched.items())


def _setting(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower()


def progress_lines(progress: Progress, *, resume: str, logs: str) -> RenderableType:
    """Return where a study stands now.

    `resume` is the command that resumes it if nobody drives it, `logs` the command that takes a trial's number.
    """
    summary = progress.summary
    parts = [_heading(summary, progress.driven, resume), *_lines_of_driver(progress), *_results(summary)]
    if summary.no_front and summary.told:
        parts.append(Text(summary.no_front, style="yellow"))
    parts += [_line_of_cluster(progress.cluster)] if progress.cluster and progress.driven else []
    parts += [_line_of(trial, progress) for trial in progress.under_way]
    parts += [Text(f"paused: {_numbered(trials)} at epoch {epoch}") for epoch, trials in progress.paused.items()]
    if progress.rate is not None:
        left = f", about {quantities.duration(progress.seconds_left)} left" if progress.seconds_left else ""
        rate = quantities.number(progress.rate, 2 if progress.rate < 100 else 3)
        parts.append(Text(f"rate: {rate} trials an hour{left}"))
    parts += [_spent(progress), *(Text(f"extended {extension}", style="dim") for extension in progress.history)]
    return Group(*parts, *failures(progress.failures, logs))


def _lines_of_driver(progress: Progress) -> list[Text]:
    driver = progress.driver
    if driver is None:
        return []
    who, since = f"process {driver.pid} on {driver.host}", f"since {_moment(driver.since)}"
    words = f"driven by {who} {since}" if progress.driven else f"was driven by {who}"
    return [Text(f"{words}; last sign of life {_moment(driver.last_sign)}", style="dim")]


def _line_of(trial: UnderWay, progress: Progress) -> Text:
    state = "running" if progress.driven else "interrupted"
    reached = f", {quantities.name('accuracy')} {quantities.show('accuracy', trial.accuracy)}" if trial.epoch else ""
    words = f"{state}: trial {trial.trial} {trial.paradigm}, epoch {trial.epoch} of {trial.epochs}{reached}"
    return Text(", ".join([words, *_use_of_machine(trial, "GPU" if progress.spec.resources.gpus else "CPU")]))


def _use_of_machine(trial: UnderWay, device: str) -> list[str]:
    """Return what is known of how a trial uses the machine."""
    figures = {
        "images_per_second": "{} images/s",
        "peak_memory": "peak memory {}",
        "device_use": f"{device} {{}} in use",
    }
    known = {name: getattr(trial, name) for name in figures if getattr(trial, name) is not None}
    words = [figures[name].format(quantities.show(name, value)) for name, value in known.items()]
    return [*words, f"on {trial.node}"] if trial.node else words


def _line_of_cluster(noted: Noted) -> Text:
    state, nodes = noted.state, len(noted.state.nodes)
    used = [f"{state.cpus_in_use:g} of {state.cpus:g} CPUs"]
    used += [f"{state.gpus_in_use:g} of {state.gpus:g} GPUs"] if state.gpus else []
    gone = f", {state.gone} gone" if state.gone else ""
    words = f"cluster: {nodes} node{'s' if nodes != 1 else ''} alive{gone}, {' and '.join(used)} in use"
    return Text(f"{words}; so since {_moment(noted.since)}")


def _spent(progress: Progress) -> Text:
    """Return what was spent, each with what is allowed of it."""
    spent, budget, device = progress.spent, progress.spec.budget, "GPU" if progress.spec.resources.gpus else "CPU"
    parts = [_account(quantities.duration(spent.seconds) + " of running", budget.hours, "h")]
    hours = quantities.number(spent.device_seconds / 3600)
    parts.append(_account(f"{hours} {device}-hours", budget.device_hours, f"{device}-hours"))
    if progress.spec.resources.price_per_hour is not None:
        parts.append(_account(f"{spent.money:,.2f} of money", budget.money, ""))
    return Text(f"spent: {', '.join(parts)}", style="dim")


def _account(used: str, allowed: float | None, unit: str) -> str:
    return used if allowed is None else f"{used} (allowed: {allowed:,.10g} {unit}".rstrip() + ")"


def _moment(time: datetime) -> str:
    ago = max(0.0, (datetime.now(UTC) - time).total_seconds())
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S} ({quantities.duration(ago)} ago)"


def status_lines(summary: Summary, records: Iterable[TrialRecord], *, resume: str, logs: str) -> RenderableType:
    """Return how a study ended.

    `resume` is the command that resumes it if it is unfinished, `logs` the command that takes a trial's number.
    """
    return Group(
        _heading(summary, False, resume),
        *_results(summary),
        Text(f"training time over all trials: {quantities.duration(summary.seconds)}", style="dim"),
        *failures(failed_alike(records), logs),
    )


def trial_lines(spec: StudySpec, record: TrialRecord, logged_attempts: int) -> RenderableType:
    """Return how a trial ended or stands; says so if none of its attempts has printed or logged anything."""
    kind = f" ({record.failure})" if record.failure else ""
    begun = f"{record.attempts} attempt{'s' if record.attempts != 1 else ''}"
    state = Text.assemble((f"trial {record.trial} of {record.study}", "bold"), f": {record.state}{kind}")
    state.append(f" at {record.fidelity:.0%} of its budget, {begun}")
    chosen = Text(f"{record.paradigm} {configuration(spec, record)}".rstrip(), style="dim")
    why = [Text(record.reason, style="red" if record.state is State.FAIL else "")] if record.reason else []
    quiet = [] if logged_attempts else [Text("It has printed and logged nothing.", style="dim")]
    return Group(state, chosen, *why, *quiet)


def attempt_heading(attempt: Attempt) -> str:
    """Return where the log of an attempt lies, and when its last line was written."""
    return f"--- {attempt.folder}, last line {_moment(attempt.last_word)}"


def _results(summary: Summary) -> list[Text]:
    lines = [Text(counts(summary))]
    if summary.best:
        lines.append(Text(f"best: {achievements(summary)}"))
        lines.append(Text(f"front: {summary.on_front} trials, hypervolume {summary.hypervolume:.3f}"))
    return lines


def failures(alike: Sequence[FailedAlike], logs: str) -> list[Text]:
    """Return why trials failed, a line per reason, and the command that says more."""
    lines = [Text(f"failed: {_numbered(failure.trials)}: {failure.reason}", style="red") for failure in alike]
    return [*lines, Text(f"what a trial printed: {logs} {alike[0].trials[0]}", style="dim")] if alike else []


def _numbered(trials: Sequence[int]) -> str:
    numbers = ", ".join(map(str, trials))
    return f"trial {numbers}" if len(trials) == 1 else f"{len(trials)} trials ({numbers})"


def counts(summary: Summary) -> str:
    """Return the number of trials in each state."""
    named = {
        "complete": summary.complete,
        "stopped early": summary.pruned,
        "failed": summary.failed,
        "running": summary.running,
        "paused": summary.paused,
        "missing a constraint": summary.infeasible,
        "from before the epochs were raised": summary.outgrown,
    }
    parts = ", ".join(f"{number} {name}" for name, number in named.items() if number)
    return f"{summary.told} of {summary.trials} trials done" + (f": {parts}" if parts else "")


def achievements(summary: Summary) -> str:
    """Return the best value of each objective."""
    return ", ".join(f"{quantities.name(name)} {quantities.show(name, value)}" for name, value in summary.best.items())


def _heading(summary: Summary, driven: bool, resume: str) -> Text:
    state, style = ("running", "blue") if driven else ("done", "green") if summary.is_over else ("unfinished", "yellow")
    hint = f"; to resume it: {resume}" if state == "unfinished" else ""
    return Text.assemble((summary.study, "bold"), ": ", (state, style), hint)


def paradigm_table(paradigms: Mapping[str, type[Paradigm]]) -> Table:
    """Return the installed paradigms with their hyper-parameters."""
    table = titled("Paradigms")
    table.add_column("paradigm", style="cyan", no_wrap=True)
    table.add_column("when")
    table.add_column("hyper-parameters")
    table.add_column("source", style="dim")
    for name, paradigm in paradigms.items():
        table.add_row(name, paradigm.axes.get("when", ""), ", ".join(paradigm.hyperparameters()), paradigm.source)
    return table


def titled(title: str) -> Table:
    """Return an empty table in the style of all tables."""
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, row_styles=("",))

"""Where a study or a trial stands, in lines for the terminal."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from orchestrator.ledger.cluster import Noted
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.progress import FailedAlike, Progress, UnderWay, failed_alike
from orchestrator.results.summary import Summary
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import Attempt
from orchestrator.terminal.tables import configuration


def progress_lines(progress: Progress, *, resume: str, logs: str) -> RenderableType:
    """Return where a study stands now.

    `resume` is the command that resumes it if nobody drives it, `logs` the command that takes a trial's number.
    """
    summary = progress.summary
    parts = [_heading(summary, progress.driven, resume), *_lines_of_driver(progress)]
    parts += _results(summary, driven=progress.driven)
    if summary.no_front and summary.told:
        parts.append(Text(summary.no_front, style="yellow"))
    parts += [_line_of_cluster(progress.cluster)] if progress.cluster and progress.driven else []
    parts += [trial_line(trial, progress) for trial in progress.under_way]
    parts += [Text(f"paused: {_numbered(trials)} at epoch {epoch}") for epoch, trials in progress.paused.items()]
    if progress.rate is not None:
        left = f", about {quantities.duration(progress.seconds_left)} left" if progress.seconds_left else ""
        rate = quantities.number(progress.rate, 2 if progress.rate < 100 else 3)
        parts.append(Text(f"rate: {rate} trials an hour{left}"))
    parts += [spent_line(progress), *(Text(f"extended {extension}", style="dim") for extension in progress.history)]
    return Group(*parts, *failures(progress.failures, logs))


def _lines_of_driver(progress: Progress) -> list[Text]:
    driver = progress.driver
    if driver is None:
        return []
    who, since = f"process {driver.pid} on {driver.host}", f"since {_moment(driver.since)}"
    words = f"driven by {who} {since}" if progress.driven else f"was driven by {who}"
    return [Text(f"{words}; last sign of life {_moment(driver.last_sign)}", style="dim")]


def trial_line(trial: UnderWay, progress: Progress) -> Text:
    """Return how far an unfinished trial is, and how it uses the machine."""
    state = "running" if progress.driven else "interrupted"
    reached = f", {quantities.name(trial.metric)} {quantities.show(trial.metric, trial.quality)}" if trial.epoch else ""
    words = f"{state}: trial {trial.trial} {trial.paradigm}, epoch {trial.epoch} of {trial.epochs}{reached}"
    return Text(", ".join([words, *_use_of_machine(trial, "GPU" if progress.spec.resources.share else "CPU")]))


def _use_of_machine(trial: UnderWay, device: str) -> list[str]:
    """Return what is known of how a trial uses the machine."""
    figures = {
        "images_per_second": "{} samples/s",
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


def spent_line(progress: Progress) -> Text:
    """Return what was spent, each with what is allowed of it."""
    spent, budget, device = progress.spent, progress.spec.budget, "GPU" if progress.spec.resources.share else "CPU"
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
        *_results(summary, driven=False),
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


def _results(summary: Summary, *, driven: bool) -> list[Text]:
    lines = [Text(counts(summary, driven=driven))]
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


def counts(summary: Summary, *, driven: bool = True) -> str:
    """Return the number of trials in each state; unless the study is `driven`, those that ran are interrupted."""
    named = {
        "complete": summary.complete,
        "stopped early": summary.pruned,
        "failed": summary.failed,
        "running" if driven else "interrupted": summary.running,
        "paused": summary.paused,
        "missing a constraint": summary.infeasible,
        "from before the epochs were raised": summary.outgrown,
    }
    parts = ", ".join(f"{number} {name}" for name, number in named.items() if number)
    return f"{summary.told} of {summary.trials} trials done" + (f": {parts}" if parts else "")


def achievements(summary: Summary) -> str:
    """Return the best value of each objective, and which trial has it."""
    return ", ".join(
        f"{quantities.name(name)} {quantities.show(name, value)} (trial {summary.best_trials[name]})"
        for name, value in summary.best.items()
    )


def _heading(summary: Summary, driven: bool, resume: str) -> Text:
    state, style = ("running", "blue") if driven else ("done", "green") if summary.is_over else ("unfinished", "yellow")
    hint = f"; to resume it: {resume}" if state == "unfinished" else ""
    return Text.assemble((summary.study, "bold"), ": ", (state, style), hint)

"""A trial as the journal stores it, and the record that is made of it."""

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from optuna.trial import FrozenTrial

from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.reports import Reports, StampedReport
from orchestrator.ledger.trial import Configuration
from orchestrator.spec.study_spec import Constraint, StudySpec

CONFIGURATION: Final = "configuration"
SAMPLER: Final = "sampler"
BUDGET: Final = "budget"
"""The epochs that a trial is given, and the last attempt that was given fewer."""
REPORT: Final = "report:"
PAUSED: Final = "paused"
"""How often a trial was paused, and why and since when it is paused now: one value, so that one write sets it."""


def record_of(study: str, trial: FrozenTrial) -> TrialRecord:
    """Return a trial's record as the ledger holds it, not adjusted for later extensions of its study."""
    return as_record(study, trial, reports_of(trial))


def missing_result(spec: StudySpec, trial: FrozenTrial) -> str | None:
    """Return what a trial lacks in order to be COMPLETE, or None."""
    return missing(reports_of(trial), [*spec.objectives, *spec.constraints])


def as_record(study: str, trial: FrozenTrial, reports: Reports) -> TrialRecord:
    """Return a trial's record from its reports and what else is stored of it."""
    attributes, configuration, last = trial.user_attrs, configuration_of(trial), reports.last
    pause, pauses = pause_of(trial), pauses_of(trial)
    attempts = attributes.get("attempts", 0) - pauses + bool(pause)  # continuing after a pause is no new attempt
    state = State.PAUSED if pause and not trial.state.is_finished() else State(trial.state.name)
    failure = Failure(attributes.get("failure", Failure.ERROR)) if state is State.FAIL else None
    return TrialRecord(
        study=study,
        trial=trial.number,
        paradigm=configuration.paradigm,
        state=state,
        seed=configuration.seed,
        params=configuration.params,
        sampler=attributes.get(SAMPLER),
        reason=_reason(trial, state),
        failure=failure,
        fidelity=last.fidelity if last else 0.0,
        metrics=reports.metrics if state is State.COMPLETE else {},
        curve=reports.curve,
        feasible=all(violation <= 0 for violation in trial.constraints.values()),
        attempts=attempts,
        attempts_failed=int(attempts > 0 and failure is not None and not failure.may_be_mended),
        attempts_lost=attributes.get("attempts_lost", 0),
        pauses=pauses,
        damaged_checkpoints=attributes.get("damaged_checkpoints", 0),
        seconds=reports.elapsed,
        started=_utc(trial.datetime_start),
        finished=pause.since if pause else _utc(trial.datetime_complete),
    )


def in_study(spec: StudySpec, first: int, record: TrialRecord, trial: FrozenTrial) -> TrialRecord:
    """Return a trial as judged by the study's current epochs and bounds, which an extension may have changed.

    `first` is the number of epochs that the study was launched with: the budget of trials that have none of their own,
    as those that `repair` could only mark FAIL.
    """
    share = trial.user_attrs.get(BUDGET, {"epochs": first})["epochs"] / spec.fidelity.epochs
    missed = violations(spec, record.metrics).values() if record.state is State.COMPLETE else ()
    feasible = all(violation <= 0 for violation in missed)
    if share == 1 and feasible == record.feasible:
        return record
    return replace(record, share=share, fidelity=share * record.fidelity, feasible=feasible)


def configuration_of(trial: FrozenTrial) -> Configuration:
    return Configuration(**trial.user_attrs[CONFIGURATION])


@dataclass(frozen=True)
class Pause:
    """Why a trial is paused, and since when."""

    reason: str
    since: datetime


def pause_of(trial: FrozenTrial) -> Pause | None:
    """Return the pause that a trial is in or ended in; None if it continued since, or never paused."""
    now = trial.user_attrs.get(PAUSED, {"now": None})["now"]
    return Pause(now["reason"], datetime.fromisoformat(now["since"])) if now else None


def _reason(trial: FrozenTrial, state: State) -> str | None:
    pause = pause_of(trial)
    if pause is not None and state is State.PAUSED:
        return pause.reason
    told: str | None = trial.user_attrs.get("reason") if state in (State.PRUNED, State.FAIL) else None
    return told and "".join(sign if sign.isprintable() else "?" for sign in told)  # it reaches terminals


def pauses_of(trial: FrozenTrial) -> int:
    times: int = trial.user_attrs.get(PAUSED, {"times": 0})["times"]
    return times


def reports_of(trial: FrozenTrial) -> Reports:
    """Return a trial's stored reports."""
    stored = (StampedReport.from_dict(value) for key, value in trial.user_attrs.items() if key.startswith(REPORT))
    return Reports(stored, after=trial.user_attrs.get(BUDGET, {}).get("after", 0))


def missing(reports: Reports, metrics: Iterable[str]) -> str | None:
    """Return what a trial lacks in order to be COMPLETE, or None."""
    if reports.last is None:
        return "ended without a report"
    if reports.last.fidelity < 1:
        return f"ended at fidelity {reports.last.fidelity:.2f}"
    for metric in metrics:
        value = reports.metrics.get(metric)
        if value is None:
            return f"metric {metric!r} missing"
        if not math.isfinite(value):
            return f"{metric} is {value}"
    return None


def violations(spec: StudySpec, metrics: Mapping[str, float]) -> dict[str, float]:
    """Return by how much a study's constraints are missed, in Optuna's sense; raises KeyError for a missing metric."""
    return {bound.metric: _violation(bound, metrics[bound.metric]) for bound in spec.bounds}


def _violation(bound: Constraint, value: float) -> float:
    """Return by how much a bound is missed, in Optuna's sense: 0 or less if and only if it holds."""
    missed = bound.violation(value)
    return min(missed, 0.0) if bound.holds(value) else max(missed, sys.float_info.min)


def _utc(local: datetime | None) -> datetime | None:
    return local.astimezone(UTC) if local is not None else None

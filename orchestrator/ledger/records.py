"""One record per trial: everything known about it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.failures import Failure
from trainables.errors import InvalidValue
from trainables.spec import Value

if TYPE_CHECKING:
    pass


class State(StrEnum):
    """The state of a trial. Only COMPLETE trials have full fidelity and finite values of all objectives.

    A PAUSED trial waits at a rung: it continues once it is among the best there; if it never is, it is marked PRUNED.
    """

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """All that the ledger knows about a trial.

    `params` are the hyper-parameters under the names that tables have for them (`orchestrator.spec.params.Params` takes
    them apart), as chosen by `sampler` (None in studies that did not record it). `metrics` are those of the final
    network (empty unless COMPLETE). `curve` holds the reported epochs.
    `fidelity` is the share of the budget spent; `seconds` the training time over all attempts, without downtime.
    `share` is below 1 if the study's epochs were raised after the trial was asked: the share of them that it was given.
    `feasible` says whether a COMPLETE trial satisfies the study's constraints. `failure` is the kind of failure of a
    FAIL trial; `reason` says in words why a trial failed, was stopped or is paused. Of the `attempts`,
    `attempts_failed` failed because of the trial itself, and `attempts_lost` were preempted or lost their process or
    node; an attempt that ended with its driver counts as neither. Continuing after one of the `pauses` is not a new
    attempt. `damaged_checkpoints` were unusable, so that epochs since the previous checkpoint had to be repeated.
    """

    study: str
    trial: int
    paradigm: str
    state: State
    seed: int
    params: Mapping[str, Value] = field(default_factory=dict)
    sampler: str | None = None
    reason: str | None = None
    failure: Failure | None = None
    fidelity: float = 0.0
    share: float = 1.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Epoch, ...] = ()
    feasible: bool = True
    attempts: int = 1
    attempts_failed: int = 0
    attempts_lost: int = 0
    pauses: int = 0
    damaged_checkpoints: int = 0
    seconds: float = 0.0
    started: datetime | None = None
    finished: datetime | None = None


def find_trial(records: Sequence[TrialRecord], number: int) -> TrialRecord:
    """Return a trial by its number; raises InvalidValue, with the numbers that exist, if there is none."""
    record = next((record for record in records if record.trial == number), None)
    if record is None:
        known = f"there are 0 to {records[-1].trial}" if records else "there is none yet"
        raise InvalidValue("TRIAL", number, f"is not a trial of this study: {known}")
    return record


def as_row(record: TrialRecord) -> dict[str, Any]:
    """Return the record as the plain values of a row; times become UTC, and those without a zone are taken as local."""
    row = {f.name: getattr(record, f.name) for f in fields(record)}
    times = {name: row[name] and row[name].astimezone(UTC) for name in ("started", "finished")}
    params = {name: json.dumps(value) for name, value in record.params.items()}
    nested = {"params": params, "metrics": dict(record.metrics), "curve": [epoch.as_dict() for epoch in record.curve]}
    failure = record.failure and record.failure.value
    return {**row, **times, **nested, "state": record.state.value, "failure": failure}

"""One record per trial: everything that is known of it, as a value, and as a row of the Parquet table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from trainables.spec import Value


class State(StrEnum):
    """Where a trial stands. Only COMPLETE trials hold full fidelity and all objectives, finite."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """All that the ledger knows of a trial.

    `params` are the paradigm's hyper-parameters as chosen, without prefix. `metrics` are those of the final network
    (empty unless COMPLETE). `curve` holds one mapping per reported epoch, by the fields of `trainables.context.Report`.
    `fidelity` is the share of the budget spent; `seconds` the training time over all attempts, downtime not counted.
    `feasible` says whether a COMPLETE trial satisfies the study's constraints.
    """

    study: str
    trial: int
    paradigm: str
    state: State
    seed: int
    params: Mapping[str, Value] = field(default_factory=dict)
    reason: str | None = None
    fidelity: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[Mapping[str, float | str], ...] = ()
    feasible: bool = True
    attempts: int = 1
    seconds: float = 0.0
    started: datetime | None = None
    finished: datetime | None = None

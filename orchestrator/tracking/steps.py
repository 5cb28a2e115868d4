"""The messages between the driver and its MLflow writer: steps to carry out, and answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives
from orchestrator.spec.constraints import Constraint

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]
"""How a study ended, in MLflow's words; KILLED is one that was interrupted and can be resumed."""


@dataclass(frozen=True, kw_only=True)
class TrackedStudy:
    """What the writer is told at the start: where MLflow is, and what the study's runs have in common.

    `means_within` are the constraints that means over seeds must meet; None if the study does not ask for seeds.
    """

    uri: str
    artifacts: Path
    name: str
    tags: Mapping[str, str]
    objectives: Objectives
    means_within: tuple[Constraint, ...] | None = None


@dataclass(frozen=True)
class Begin:
    """Find or create the parent run."""


@dataclass(frozen=True)
class Tell:
    """Write a finished trial's run."""

    record: TrialRecord


@dataclass(frozen=True)
class KeepOnly:
    """Delete the runs of all other trials; of `unfinished` trials keep those that show them unfinished."""

    trials: frozenset[int]
    unfinished: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Show:
    """Show an unfinished trial as it was at a time."""

    record: TrialRecord
    at: datetime


@dataclass(frozen=True)
class ShowFront:
    """Tag the front's members, and describe the study on the parent run. `records` have no curves."""

    records: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class End:
    """End the parent run."""

    outcome: RunStatus


Step = Begin | Tell | KeepOnly | Show | ShowFront | End
ORDER = (Begin, Tell, KeepOnly, Show, ShowFront, End)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How many steps of a batch have reached MLflow, and what went wrong with the next one.

    `replaced` means that the database is no longer the one that earlier steps were written to.
    """

    done: int = 0
    trouble: str | None = None
    replaced: bool = False

"""A study in a few figures: its progress, and the best that it has found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import TOLD, hypervolume_over_trials, losses
from orchestrator.results.no_front import why_no_front
from orchestrator.results.trials import Trials
from orchestrator.spec.study_spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts of trials by state, and what the eligible ones have reached.

    `trials` is the number that the study file asks for, `asked` how many have been started so far. `best` holds the
    best value of each objective among eligible trials, `best_trials` which trial has it, `hypervolume` the share in
    [0, 1] of the box between reference and ideal that they dominate. `outgrown` trials finished before the study's
    epochs were raised. `no_front` says why no trial is on the front; None if one is.
    """

    study: str
    trials: int
    asked: int
    running: int
    paused: int
    complete: int
    pruned: int
    failed: int
    infeasible: int
    outgrown: int
    on_front: int
    hypervolume: float
    best: dict[str, float]
    best_trials: dict[str, int]
    no_front: str | None
    seconds: float

    @property
    def told(self) -> int:
        """How many trials are finished: complete, stopped early or failed."""
        return self.complete + self.pruned + self.failed

    @property
    def is_over(self) -> bool:
        """Whether every trial that the study file asks for is finished."""
        return self.told >= self.trials


def summarize(spec: StudySpec, records: Sequence[TrialRecord]) -> Summary:
    """Return the summary of a study's records."""
    return summary_of(spec, Trials(records, spec.objectives), hypervolume_over_trials(records, spec.objectives))


def summary_of(spec: StudySpec, trials: Trials, volumes: Sequence[float]) -> Summary:
    """Return the summary of a study's trials, of which `volumes` are the `hypervolume_over_trials`."""
    records, reached = trials.records, best(trials)
    states = Counter(record.state for record in records)
    return Summary(
        study=spec.name,
        trials=spec.search.trials,
        asked=len(records),
        running=states[State.RUNNING],
        paused=states[State.PAUSED],
        complete=states[State.COMPLETE],
        pruned=states[State.PRUNED],
        failed=states[State.FAIL],
        infeasible=sum(record.state is State.COMPLETE and not record.feasible for record in records),
        outgrown=sum(record.state in TOLD and record.share < 1 for record in records),
        on_front=len(trials.front),
        hypervolume=volumes[-1] if volumes else 0.0,
        best={name: record.metrics[name] for name, record in reached.items()},
        best_trials={name: record.trial for name, record in reached.items()},
        no_front=None if reached else why_no_front(spec, records),
        seconds=sum(record.seconds for record in records),
    )


def best(trials: Trials) -> dict[str, TrialRecord]:
    """Return the eligible trial with the best value of each objective; empty if there are none."""
    if not trials.eligible:
        return {}
    rows = losses(trials.eligible, trials.objectives).argmin(axis=0)
    return {name: trials.eligible[row] for name, row in zip(trials.objectives, rows, strict=True)}

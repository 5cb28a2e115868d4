"""A study's trials and its front as pandas tables, with one column per hyper-parameter and metric."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.evaluated import with_evaluations
from orchestrator.results.front import pareto_front
from orchestrator.results.replicates import Replicates, front_by_mean, rivals
from orchestrator.results.selection import HYPERPARAMETERS
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_ABOUT: Final = ("trial", "paradigm", "state", "seed", "fidelity", "feasible", "seconds")


def front(store: Store | Path | str, study: str, *, by_mean: bool = False) -> "pd.DataFrame":
    """Return the Pareto front of a study, best first by its first objective: a row per trial, by its number.

    Metrics have their own names, hyper-parameters are called ``hyperparameters.<name>``; what a trial does not have is
    missing. Raises InvalidValue for a study that does not exist.

    With `by_mean` it is the front of the means over seeds: a row per configuration, by its first trial, with the means
    under the metrics' names, the ends of their 95 % intervals as ``<metric>.low`` and ``<metric>.high`` (missing for a
    single seed), the number of ``seeds``, and ``may_be_dominated_by``, a list of trials.
    """
    spec, records = _read(store, study)
    if by_mean:
        return _means(spec, records)
    return _table(pareto_front(records, spec.objectives), list(spec.objectives))


def trials(store: Store | Path | str, study: str) -> "pd.DataFrame":
    """Return all trials of a study, finished or not, by number; the columns are those of `front`."""
    spec, records = _read(store, study)
    return _table(records, list(spec.objectives))


def _read(store: Store | Path | str, study: str) -> tuple[StudySpec, list[TrialRecord]]:
    from orchestrator.ledger import ledger  # imports Optuna

    folder = Store.at(store).existing(study, "NAME")
    return StudySpec.stored(folder.spec), with_evaluations(folder, ledger.read(folder))


def _means(spec: StudySpec, records: Sequence[TrialRecord]) -> "pd.DataFrame":
    import pandas as pd

    members = front_by_mean(records, spec.objectives, spec.bounds)
    rows = [
        {
            "trial": member.first.trial,
            "paradigm": member.first.paradigm,
            "seeds": len(member.records),
            "may_be_dominated_by": others,
            **_estimates(member, [*spec.objectives, *member.measured]),
            **{f"{HYPERPARAMETERS}{name}": value for name, value in member.first.params.items()},
        }
        for member, others in zip(members, rivals(members, spec.objectives), strict=True)
    ]
    return pd.DataFrame(rows, columns=None if rows else ["trial", *spec.objectives]).set_index("trial")


def _estimates(member: Replicates, metrics: Sequence[str]) -> dict[str, float | None]:
    """Return the mean of each metric and the ends of its interval, by column."""
    columns: dict[str, float | None] = {}
    for name in dict.fromkeys(metrics):
        if (estimate := member.estimate(name)) is not None:
            low, high = estimate.interval or (None, None)
            columns |= {name: estimate.mean, f"{name}.low": low, f"{name}.high": high}
    return columns


def _table(records: Sequence[TrialRecord], objectives: Sequence[str]) -> "pd.DataFrame":
    import pandas as pd

    metrics = dict.fromkeys([*objectives, *(name for record in records for name in record.metrics)])
    chosen = dict.fromkeys(name for record in records for name in record.params)
    columns = {
        **{name: [getattr(record, name) for record in records] for name in _ABOUT},
        **{name: [record.metrics.get(name) for record in records] for name in metrics},
        **{f"{HYPERPARAMETERS}{name}": [record.params.get(name) for record in records] for name in chosen},
    }
    return pd.DataFrame(columns | {"state": [str(state) for state in columns["state"]]}).set_index("trial")

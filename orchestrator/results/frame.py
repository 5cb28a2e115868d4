"""A study's trials and its front as pandas tables, with one column per hyper-parameter and metric."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.evaluated import with_evaluations
from orchestrator.results.front import pareto_front
from orchestrator.results.selection import HYPERPARAMETERS
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_ABOUT: Final = ("trial", "paradigm", "state", "seed", "fidelity", "feasible", "seconds")


def front(store: Store | Path | str, study: str) -> "pd.DataFrame":
    """Return the Pareto front of a study, best first by its first objective: a row per trial, by its number.

    Metrics have their own names, hyper-parameters are called ``hyperparameters.<name>``; what a trial does not have is
    missing. Raises InvalidValue for a study that does not exist.
    """
    spec, records = _read(store, study)
    return _table(pareto_front(records, spec.objectives), list(spec.objectives))


def trials(store: Store | Path | str, study: str) -> "pd.DataFrame":
    """Return all trials of a study, finished or not, by number; the columns are those of `front`."""
    spec, records = _read(store, study)
    return _table(records, list(spec.objectives))


def _read(store: Store | Path | str, study: str) -> tuple[StudySpec, list[TrialRecord]]:
    from orchestrator.ledger import ledger  # imports Optuna

    folder = Store.at(store).existing(study, "NAME")
    return StudySpec.stored(folder.spec), with_evaluations(folder, ledger.read(folder))


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

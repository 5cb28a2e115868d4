"""How much each hyper-parameter of a paradigm matters for each objective, by Optuna's PED-ANOVA."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.axis_range import spans_decades
from orchestrator.results.front import Objectives, is_eligible, losses
from trainables.spec import Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

FEWEST: Final = 10
"""The fewest eligible trials of a paradigm from which importances are estimated."""

BEST: Final = 0.25
"""The share of the trials, by an objective, that hyper-parameters are asked to explain."""


def importances(records: Sequence[TrialRecord], objectives: Objectives) -> dict[str, dict[str, float]]:
    """Return, for each objective, how much one paradigm's hyper-parameters decide whether a trial is among the best.

    They are shares of one. Only hyper-parameters count that all the eligible trials have and in which they differ.
    Empty if there are too few trials; an objective in which all are equal is left out. PED-ANOVA: Watanabe, Bansal &
    Hutter 2023, arXiv 2304.10255; nothing in it is random.
    """
    eligible = [record for record in records if is_eligible(record, objectives)]
    shared = [name for name in (eligible[0].params if eligible else ()) if all(name in r.params for r in eligible)]
    searched = [name for name in shared if len({record.params[name] for record in eligible}) > 1]
    if len(eligible) < FEWEST or not searched:
        return {}
    return _shares(eligible, searched, objectives)


def _shares(
    records: Sequence[TrialRecord], names: Sequence[str], objectives: Objectives
) -> dict[str, dict[str, float]]:
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    from orchestrator.results.shared_trial import SharedTrial

    distributions = {name: _distribution([record.params[name] for record in records]) for name in names}
    evaluator, points = PedAnovaImportanceEvaluator(target_quantile=BEST), losses(records, objectives)
    with _quiet():
        study = optuna.create_study(directions=["minimize"] * len(objectives))
        for record, values in zip(records, points.tolist(), strict=True):
            params = {name: record.params[name] for name in names}
            study.add_trial(SharedTrial.of(params, distributions, values))
        return {
            metric: _finite(get_param_importances(study, evaluator=evaluator, target=_Loss(index)))
            for index, metric in enumerate(objectives)
            if np.ptp(points[:, index]) > 0
        }


@dataclass(frozen=True)
class _Loss:
    """Picks one of a trial's losses."""

    index: int

    def __call__(self, trial: "FrozenTrial") -> float:
        return float(trial.values[self.index])


def _finite(shares: dict[str, float]) -> dict[str, float]:
    return {name: share if math.isfinite(share) else 0.0 for name, share in shares.items()}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing its study, and from warning of what is pinned here, while the block runs."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # experimental; that a target is minimised; that all are equal
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(values: Sequence[Value]) -> "BaseDistribution":
    """Return a distribution that holds the values; one of numbers that spans decades is logarithmic."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if any(isinstance(value, bool | str) for value in values):
        return CategoricalDistribution(sorted(set(values), key=str))
    numbers = [float(value) for value in values]
    if all(isinstance(value, int) for value in values):
        return IntDistribution(int(min(numbers)), int(max(numbers)))
    return FloatDistribution(min(numbers), max(numbers), log=spans_decades(numbers))

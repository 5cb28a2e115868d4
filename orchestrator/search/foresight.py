"""Estimates of what unfinished trials may reach. They only guide the search, and are never recorded."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import numpy as np

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import StudySpec
from trainables.metrics import find, foretold

LUCKY: Final = 0.25
"""A lucky trial gains more than all but this share of the finished ones."""

QUARTILES: Final = (0.25, 0.75)


class Foresight:
    """Estimates a trial's final metrics from its report at a rung and from what finished trials gained after it.

    Without estimates, most trials of a study with rungs would look the same to the sampler: stopped. Gains are
    relative: errors and losses fall towards zero, and a network that misclassifies half of the images has more to gain
    than one that misclassifies a tenth.
    """

    def __init__(self, spec: StudySpec) -> None:
        named = {*spec.objectives, *spec.constraints}
        fields = {name: field for name in named if (field := foretold(name)) is not None}
        self._fields = fields if fields.keys() == named else {}
        self._rungs = spec.fidelity.rungs
        rising = {name for name, direction in spec.objectives.items() if direction == "maximize"}
        rising |= {bound.metric for bound in spec.bounds if bound.comparison.startswith(">")} - spec.objectives.keys()
        grows = {name: (name in rising) != find(name).approaches_one for name in self._fields}
        self._lucky = {name: 1 - LUCKY if grows[name] else LUCKY for name in self._fields}
        self._shares: dict[tuple[int, str], list[float]] = defaultdict(list)
        """By rung and metric, the remaining-loss ratios: the final distance from the optimum over that at the rung."""
        self._quantiles: dict[tuple[int, str, float], float] = {}
        """The quantiles asked for since the last finished trial."""
        self.whole = 0
        """How many finished trials have been learnt from."""

    @property
    def sees_all(self) -> bool:
        """Whether all objectives and constraints can be estimated before the end of a trial."""
        return bool(self._fields)

    def learn(self, record: TrialRecord) -> None:
        """Note what a COMPLETE trial gained after each rung; other trials teach nothing."""
        if record.state is not State.COMPLETE or record.share < 1:
            return
        self.whole += 1
        self._quantiles.clear()
        for point in record.curve:
            if point.epoch in self._rungs:
                for name, shown in self._fields.items():
                    before = _left(name, point.known(shown))
                    if before > 0:
                        self._shares[point.epoch, name].append(_left(name, record.metrics[name]) / before)

    def metrics(self, record: TrialRecord) -> dict[str, float] | None:
        """Return a trial's expected final metrics; None if they cannot be estimated before the end."""
        return self._foreseen(record.curve[-1], dict.fromkeys(self._fields, 0.5)) if record.curve else None

    def spread(self, record: TrialRecord) -> dict[str, float]:
        """Return how uncertain `metrics` are: half the range in which half of such trials come to lie."""
        low, high = (self._foreseen(record.curve[-1], dict.fromkeys(self._fields, quantile)) for quantile in QUARTILES)
        return {name: abs(high[name] - low[name]) / 2 for name in self._fields} if low and high else {}

    def with_luck(self, report: Epoch) -> dict[str, float] | None:
        """Return a trial's final metrics if it gained as much after its rung as the top quarter of finished trials."""
        return self._foreseen(report, self._lucky)

    def _foreseen(self, point: Epoch, quantiles: Mapping[str, float]) -> dict[str, float] | None:
        foreseen = {
            name: _left(name, _left(name, point.known(shown)) * self._share(point.epoch, name, quantiles[name]))
            for name, shown in self._fields.items()
        }
        return foreseen if foreseen and all(map(math.isfinite, foreseen.values())) else None

    def _share(self, epoch: int, name: str, quantile: float) -> float:
        """Return the given quantile of the remaining-loss ratios observed from this rung to the end."""
        asked = epoch, name, quantile
        if asked not in self._quantiles:
            shares = self._shares.get((epoch, name), [1.0])
            self._quantiles[asked] = float(np.quantile(shares, quantile))
        return self._quantiles[asked]


def _left(name: str, value: float) -> float:
    """Return how far a metric is from its optimum, zero or one; the function is its own inverse."""
    return 1 - value if find(name).approaches_one else value

"""What trials that have not come to their end may come to: guesses, which are told to nobody and stand nowhere."""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from orchestrator.records import State, TrialRecord
from orchestrator.rungs import FORETOLD
from orchestrator.spec import StudySpec

LUCKY: Final = 0.25
"""The share of the whole trials that have gained more than a lucky one."""


class Foresight:
    """Foresees what a trial comes to from what it was at a rung, and what trials that went on have gained from there.

    To a sampler that is told nothing but that they were stopped, most trials of a study with rungs are alike.
    """

    def __init__(self, spec: StudySpec) -> None:
        named = {*spec.objectives, *spec.constraints}
        self._fields = {name: FORETOLD[name] for name in named} if named <= FORETOLD.keys() else {}
        self._rungs = spec.fidelity.rungs
        rising = {name for name, direction in spec.objectives.items() if direction == "maximize"}
        rising |= {bound.metric for bound in spec.bounds if bound.comparison.startswith(">")} - spec.objectives.keys()
        self._lucky = {name: 1 - LUCKY if name in rising else LUCKY for name in self._fields}
        self._gains: dict[tuple[int, str], list[float]] = defaultdict(list)

    @property
    def sees_all(self) -> bool:
        """Whether all objectives and constraints show before the end."""
        return bool(self._fields)

    def learn(self, record: TrialRecord) -> None:
        """Note what a COMPLETE trial has gained since each rung; another one teaches nothing."""
        if record.state is not State.COMPLETE or record.share < 1:
            return
        for point in record.curve:
            if point["epoch"] in self._rungs:
                for name, shown in self._fields.items():
                    self._gains[int(point["epoch"]), name].append(record.metrics[name] - float(point[shown]))

    def metrics(self, record: TrialRecord) -> dict[str, float] | None:
        """Return what a trial is expected to come to; None where that does not show before the end."""
        return self._foreseen(record.curve[-1], lambda _, gains: statistics.median(gains)) if record.curve else None

    def with_luck(self, report: Mapping[str, Any]) -> dict[str, float] | None:
        """Return what a trial comes to, by each metric, if it gains what one in four does better than from its rung."""
        return self._foreseen(report, lambda name, gains: float(np.quantile(gains, self._lucky[name])))

    def _foreseen(
        self, point: Mapping[str, Any], gain: Callable[[str, Sequence[float]], float]
    ) -> dict[str, float] | None:
        foreseen = {
            name: float(point[shown]) + gain(name, self._gains.get((int(point["epoch"]), name), [0.0]))
            for name, shown in self._fields.items()
        }
        return foreseen if foreseen and all(map(math.isfinite, foreseen.values())) else None

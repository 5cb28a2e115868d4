"""What trials that were stopped early would have come to: for samplers to learn from, and for nobody else to see."""

import math
import statistics
from collections import defaultdict

from orchestrator.records import State, TrialRecord
from orchestrator.rungs import FORETOLD
from orchestrator.spec import StudySpec


class Foresight:
    """Foresees what a trial comes to from what it was at a rung, and what trials that went on have gained from there.

    To a sampler that is told nothing but that they were stopped, most trials of a study with rungs are alike.
    """

    def __init__(self, spec: StudySpec) -> None:
        named = {*spec.objectives, *spec.constraints}
        self._fields = {name: FORETOLD[name] for name in named} if named <= FORETOLD.keys() else {}
        self._rungs = spec.fidelity.rungs
        self._gains: dict[tuple[int, str], list[float]] = defaultdict(list)

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
        if not self._fields or not record.curve:
            return None
        last = record.curve[-1]
        foreseen = {
            name: float(last[shown]) + statistics.median(self._gains.get((int(last["epoch"]), name), [0.0]))
            for name, shown in self._fields.items()
        }
        return foreseen if all(map(math.isfinite, foreseen.values())) else None

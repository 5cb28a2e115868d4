"""Whether a trial that is not among the best at its rung may still reach the front.

How well a rung predicts the final result differs between studies: networks that are hardly pruned yet look alike, and
validation is noisy. What finished trials gained after the rung shows how well. Once enough have finished, a rung lets
every trial continue that, with some luck, would not be dominated by the present front, and holds back all others but
the very best.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import is_dominated, is_eligible, losses, non_dominated, sign
from orchestrator.search.foresight import Foresight
from orchestrator.spec.study_spec import StudySpec

ENOUGH: Final = 4
"""How many finished trials are needed to estimate what trials gain."""


class Prospects:
    """Judges, by the finished trials of a study, what trials at its rungs can still reach."""

    def __init__(self, spec: StudySpec, records: Iterable[TrialRecord] = ()) -> None:
        """Learn from `records`."""
        self._spec = spec
        self.foresight = Foresight(spec)
        """What finished trials gained after their rungs."""
        self._front = losses([], spec.objectives)
        """The distinct non-dominated points of all finished trials."""
        self.learn(*records)

    def learn(self, *records: TrialRecord) -> None:
        """Learn from finished trials; others teach nothing, and none does in a study without rungs."""
        if not self._spec.fidelity.rungs:
            return
        told = [record for record in records if record.state is State.COMPLETE and record.share == 1]
        for record in told:
            self.foresight.learn(record)
        competing = [record for record in told if is_eligible(record, self._spec.objectives)]
        self._front = non_dominated(np.vstack([self._front, losses(competing, self._spec.objectives)]))

    @property
    def is_informed(self) -> bool:
        """Whether enough trials have finished to estimate what a trial may gain, and there is a front to reach."""
        return self.foresight.whole >= ENOUGH and bool(len(self._front)) and self.foresight.sees_all

    def may_reach_front(self, report: Epoch) -> bool:
        """Return whether a trial at a rung may reach the front, judged by enough finished trials."""
        if not self.is_informed:
            return False
        reached = self.foresight.with_luck(report)
        if reached is None or not all(bound.holds(reached[bound.metric]) for bound in self._spec.bounds):
            return False
        objectives = self._spec.objectives
        point = [sign(direction) * reached[name] for name, direction in objectives.items()]
        return not is_dominated(point, self._front)

"""Whether a trial that is not among the best at its rung may reach the front all the same.

How much a rung foretells differs from study to study: networks that are hardly pruned yet look alike, and validation is
noisy. The whole trials show it by how much they have gained since. So a rung stops nobody who, with some luck, would
not be dominated by what there is already.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from orchestrator.foresight import Foresight
from orchestrator.front import is_dominated, losses, pareto_front, sign
from orchestrator.records import State, TrialRecord
from orchestrator.spec import StudySpec

ENOUGH: Final = 4
"""The whole trials without which nothing is known of what trials gain."""


class Hope:
    """What the whole trials of a study let those at its rungs hope for."""

    def __init__(self, spec: StudySpec, records: Iterable[TrialRecord] = ()) -> None:
        """Take up what `records` teach."""
        self._spec = spec
        self._foresight = Foresight(spec)
        self._front: list[TrialRecord] = []
        self._whole = 0
        for record in records:
            self.learn(record)

    def learn(self, record: TrialRecord) -> None:
        """Take up a trial; one that is not whole teaches nothing."""
        if record.state is State.COMPLETE and record.share == 1:
            self._whole += 1
            self._foresight.learn(record)
            self._front = pareto_front([*self._front, record], self._spec.objectives)

    def is_left(self, report: Mapping[str, Any]) -> bool:
        """Say whether a trial at a rung may reach the front, as far as enough whole trials tell."""
        if self._whole < ENOUGH or not self._front:
            return False
        reached = self._foresight.with_luck(report)
        if reached is None or not all(bound.holds(reached[bound.metric]) for bound in self._spec.bounds):
            return False
        objectives = self._spec.objectives
        point = [sign(direction) * reached[name] for name, direction in objectives.items()]
        return not is_dominated(point, losses(self._front, objectives))

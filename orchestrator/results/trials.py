"""A study's trials under its objectives, with what figures and tables ask of them again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives, front_of, has_result, is_admitted
from orchestrator.results.palette import Look, looks
from orchestrator.results.reference import dense_reference
from orchestrator.results.replicates import Replicates, by_mean, replicates
from orchestrator.spec.constraints import Constraint


@dataclass(frozen=True)
class Trials:
    """Trials that compete under objectives. What follows from them is computed once, when it is first asked for."""

    records: Sequence[TrialRecord]
    objectives: Objectives
    bounds: Sequence[Constraint] = ()

    @cached_property
    def finished(self) -> list[TrialRecord]:
        """The trials that have a result, whether or not it may be on the front."""
        return [record for record in self.records if has_result(record, self.objectives)]

    @cached_property
    def eligible(self) -> list[TrialRecord]:
        """The trials that may be on the front."""
        return [record for record in self.finished if is_admitted(record)]

    @cached_property
    def admitted(self) -> frozenset[int]:
        """The numbers of the trials that may be on the front."""
        return frozenset(record.trial for record in self.eligible)

    @cached_property
    def front(self) -> list[TrialRecord]:
        """The members of the front, best first by the first objective."""
        return front_of(self.eligible, self.objectives)

    @cached_property
    def members(self) -> frozenset[int]:
        """The numbers of the trials on the front."""
        return frozenset(record.trial for record in self.front)

    @cached_property
    def reference(self) -> TrialRecord | None:
        """The dense network's trial, if it has finished."""
        return dense_reference(self.records, self.objectives)

    @cached_property
    def looks(self) -> dict[str, Look]:
        """How the trials of each paradigm are drawn."""
        return looks(record.paradigm for record in self.records)

    @cached_property
    def configurations(self) -> list[Replicates]:
        """The configurations that were trained to the end, each with its seeds."""
        return replicates(self.finished, self.objectives)

    @cached_property
    def repeated(self) -> list[Replicates]:
        """The configurations that were trained with several seeds."""
        if len({record.seed for record in self.finished}) < 2:
            return []
        return [group for group in self.configurations if len(group.records) > 1]

    @cached_property
    def by_mean(self) -> "Trials":
        """The configurations as trials: each is its first one, with the means over its seeds as its metrics."""
        return Trials(by_mean(self.configurations, self.bounds), self.objectives)

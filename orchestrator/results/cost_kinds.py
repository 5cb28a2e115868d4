"""Which costs a front is over: effective ones, where masked weights cost nothing, or physical ones, of what is there.

A front over the one says nothing about the other: a network whose weights are all masked but a few may be as large, and
as slow, as the dense one.
"""

from collections.abc import Iterable, Mapping

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives
from orchestrator.spec.study_spec import StudySpec
from trainables.errors import InvalidValue
from trainables.metrics import is_physical, physical_twin

EFFECTIVE = "over effective costs: masked weights count as gone, whether or not hardware gains by it"
PHYSICAL = "over physical costs: only what was removed counts as gone"
BOTH = "over effective and physical costs at once"


def cost_kind(objectives: Iterable[str]) -> str | None:
    """Return in words which costs a front of these objectives is over; None if it is over neither kind."""
    names = list(objectives)
    effective, physical = any(map(physical_twin, names)), any(map(is_physical, names))
    if effective and physical:
        return BOTH
    return EFFECTIVE if effective else PHYSICAL if physical else None


def over_physical_costs(objectives: Objectives) -> Objectives | None:
    """Return the objectives with physical costs in place of effective ones; None if that is no other front."""
    if cost_kind(objectives) != EFFECTIVE:
        return None
    return {physical_twin(name) or name: direction for name, direction in objectives.items()}


def with_physical_costs(spec: StudySpec) -> StudySpec:
    """Return a study with physical costs for its effective ones; raises InvalidValue if it has none."""
    objectives = over_physical_costs(spec.objectives)
    if objectives is None:
        allowed = f"is for a study over effective costs; this one seeks {', '.join(spec.objectives)}"
        raise InvalidValue("--physical", True, allowed)
    return spec.model_copy(update={"objectives": dict(objectives)})


def are_only_removed(records: Iterable[TrialRecord]) -> bool:
    """Return whether nothing is only masked: effective and physical costs of all the records are equal."""
    return all(_is_only_removed(record.metrics) for record in records)


def _is_only_removed(values: Mapping[str, float]) -> bool:
    twins = ((name, f"{name}_physical") for name in ("macs", "params"))
    return all(values.get(name) == values[twin] for name, twin in twins if twin in values)

"""Which configurations are trained again with further seeds, and when: `search.seeds` of a study file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import farthest_first, in_ranges
from orchestrator.results.replicates import (
    Replicates,
    configuration_key,
    front_by_mean,
    mean_losses,
    reference_by_mean,
    replicates,
)
from orchestrator.search.configurations import Configurations
from orchestrator.spec.study_spec import StudySpec

REPLICATE: Final = "replicate"
"""Recorded instead of a sampler's name if a configuration is trained with a further seed."""


@dataclass(frozen=True)
class Lacking:
    """A configuration that has fewer seeds than the study asks for, and how many it lacks; trials in progress count."""

    record: TrialRecord
    seeds: int


def lacking(configurations: Configurations, records: Sequence[TrialRecord]) -> list[Lacking]:
    """Return the configurations that lack seeds, in the order in which they get the next one.

    Members of the front by the mean and the dense network, their reference, come first; with `repeat: all` the other
    finished ones follow. Of either, those with the fewest seeds come first, spread over the objectives. A trial that
    failed is not replaced: its configuration has had that seed.
    """
    spec = configurations.spec
    had = Counter(configuration_key(record) for record in records if record.share == 1)
    members = _members(configurations, records)
    others = replicates(records, spec.objectives) if spec.search.repeat == "all" else []
    return [
        Lacking(group.first, spec.search.seeds - count)
        for groups in (members, [group for group in others if group not in members])
        for count, group in _fewest_first(groups, had, configurations)
        if count < spec.search.seeds
    ]


def with_seeds(spec: StudySpec, records: Sequence[TrialRecord], seeds: int) -> StudySpec:
    """Return a study that asks for so many seeds, with the trials that its configurations lack for them."""
    asks = spec.model_copy(update={"search": spec.search.model_copy(update={"seeds": seeds})})
    owed = sum(one.seeds for one in lacking(Configurations(asks), records))
    trials = max(spec.search.trials, len(records) + owed)
    return asks.model_copy(update={"search": asks.search.model_copy(update={"trials": trials})})


def next_replicate(
    configurations: Configurations, records: Sequence[TrialRecord], *, spent: float = 0.0
) -> TrialRecord | None:
    """Return a trial of the configuration that gets a further seed now; None while the search goes first.

    The search continues as long as the trials that are left also suffice for all the seeds that are lacking, and for
    those of one more configuration. `spent` is the share of the budget that is spent; the rest is taken to suffice for
    trials in proportion.
    """
    search = configurations.spec.search
    if search.seeds == 1 or not configurations.searched:
        return None
    left = trials_left(search.trials, len(records), spent)
    if left > (search.seeds - 1) * (1 + len(records)):
        return None  # whatever is on the front: that takes long to find out where trials are many
    waiting = lacking(configurations, records)
    owed = sum(one.seeds for one in waiting) + (search.seeds - 1) * (1 + _unknown(configurations, records))
    return waiting[0].record if waiting and left <= owed else None


def trials_left(total: int, asked: int, spent: float) -> float:
    """Return how many more trials a study can start: what its total leaves, or if that is less, its budget."""
    affordable = asked * (1 - spent) / spent if spent > 0 else float("inf")
    return min(total - asked, affordable)


def _members(configurations: Configurations, records: Sequence[TrialRecord]) -> list[Replicates]:
    """Return the front by the mean, with the dense network if that is not on it."""
    spec = configurations.spec
    front = front_by_mean(records, spec.objectives, spec.bounds)
    dense = reference_by_mean(records, spec.objectives)
    return front if dense is None or dense in front else [*front, dense]


def _unknown(configurations: Configurations, records: Sequence[TrialRecord]) -> int:
    """Return how many configurations are in progress that will be repeated whatever they come to."""
    if configurations.spec.search.repeat != "all":
        return 0
    finished = {configuration_key(group.first) for group in replicates(records, configurations.spec.objectives)}
    running = {configuration_key(record) for record in records if record.state is State.RUNNING}
    return len(running - finished)


def _fewest_first(
    groups: Sequence[Replicates], had: Counter[tuple[str, frozenset[object]]], allowed: Configurations
) -> list[tuple[int, Replicates]]:
    """Return the groups that the study still searches, with the seeds that each has had, in the order of their turn."""
    inside = [group for group in groups if allowed.contains(group.first.paradigm, group.first.params)]
    if not inside:
        return []
    order = farthest_first(in_ranges(mean_losses(inside, allowed.spec.objectives)))
    counted = [(had[configuration_key(inside[row].first)], inside[row]) for row in order]
    return sorted(counted, key=lambda pair: pair[0])

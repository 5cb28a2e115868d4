"""Where the trials of a study stand, as its table and its runs in MLflow mark them."""

from collections.abc import Sequence

from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.standings import MeanStandings, Standings
from orchestrator.results.front import Objectives, trials_on_front
from orchestrator.results.replicates import front_by_mean, metrics_by_mean, replicates
from orchestrator.spec.constraints import Constraint


def standings(
    records: Sequence[TrialRecord], objectives: Objectives, means_within: Sequence[Constraint] | None
) -> Standings:
    """Return which trials are on the front: of single trials, or of the means over seeds within `means_within`."""
    single = frozenset(trials_on_front(records, objectives))
    if means_within is None:
        return Standings(single)
    members = frozenset(member.first.trial for member in front_by_mean(records, objectives, means_within))
    return Standings(members, _by_mean(records, objectives, single))


def _by_mean(records: Sequence[TrialRecord], objectives: Objectives, single: frozenset[int]) -> MeanStandings:
    groups = replicates(records, objectives)
    shown = metrics_by_mean(groups, objectives)
    return MeanStandings(
        single,
        {record.trial: group.first.trial for group in groups for record in group.records},
        {group.first.trial: group.means(shown) for group in groups},
        {group.first.trial: len(group.records) for group in groups},
    )

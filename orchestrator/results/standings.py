"""Where the trials of a study stand, as its table and its runs in MLflow mark them."""

from collections.abc import Sequence

from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.standings import MeanStandings, Standings
from orchestrator.results.front import Objectives, pareto_front, trials_on_front
from orchestrator.results.replicates import by_mean, front_by_mean, metrics_by_mean, replicates
from orchestrator.spec.constraints import Constraint


def members(
    records: Sequence[TrialRecord], objectives: Objectives, means_within: Sequence[Constraint] | None
) -> list[TrialRecord]:
    """Return the front that a study asks for, best first: trials, or configurations by the means over their seeds.

    A configuration is its first trial, with the means as its metrics. `means_within` are the constraints that these
    must meet, and None if the study does not ask for seeds.
    """
    if means_within is None:
        return pareto_front(records, objectives)
    return by_mean(front_by_mean(records, objectives, means_within), means_within)


def standings(
    records: Sequence[TrialRecord], objectives: Objectives, means_within: Sequence[Constraint] | None
) -> Standings:
    """Return which trials are on the front: of single trials, or of the means over seeds within `means_within`."""
    front = frozenset(member.trial for member in members(records, objectives, means_within))
    return Standings(front, None if means_within is None else _mean_standings(records, objectives))


def _mean_standings(records: Sequence[TrialRecord], objectives: Objectives) -> MeanStandings:
    groups = replicates(records, objectives)
    shown = metrics_by_mean(groups, objectives)
    return MeanStandings(
        frozenset(trials_on_front(records, objectives)),
        {record.trial: group.first.trial for group in groups for record in group.records},
        {group.first.trial: group.means(shown) for group in groups},
        {group.first.trial: len(group.records) for group in groups},
    )

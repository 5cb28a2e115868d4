"""What a study has found: fronts, hypervolumes, comparisons and progress, computed from its records."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.results.front import hypervolume as hypervolume
    from orchestrator.results.front import hypervolume_over_trials as hypervolume_over_trials
    from orchestrator.results.front import is_eligible as is_eligible
    from orchestrator.results.front import non_dominated as non_dominated
    from orchestrator.results.front import pareto_front as pareto_front

__getattr__ = lazily(
    __name__,
    front="hypervolume hypervolume_over_trials is_eligible non_dominated pareto_front",
)

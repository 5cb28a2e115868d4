"""The ways to look at a front among which a reader chooses, in a report and on a live page."""

from collections.abc import Container
from dataclasses import dataclass
from itertools import combinations

from orchestrator.report.chart import Figure
from orchestrator.report.figures import front_caption, front_figure
from orchestrator.results.front import Objectives
from orchestrator.results.trials import Trials
from orchestrator.spec.study_spec import StudySpec


@dataclass(frozen=True)
class FrontView:
    """A way to look at a front: in a pair of objectives, by trials or by means, near its best or among all."""

    x: str
    y: str
    closely: bool
    by_mean: bool = False

    def figure(self, trials: Trials, only: Container[int] | None = None) -> Figure:
        """Return the front so seen; `only` are the trials that are drawn."""
        return front_figure(trials, self.x, self.y, closely=self.closely, by_mean=self.by_mean, only=only)

    @property
    def caption(self) -> str:
        """What is seen, in words."""
        return front_caption(self.x, self.y, closely=self.closely, by_mean=self.by_mean)


def front_views(spec: StudySpec) -> list[FrontView]:
    """Return the views in each pair of objectives, near the best of the front; then those among all trials.

    Where the study asks for several seeds, those by the mean come before those of single trials.
    """
    of = (True, False) if spec.search.seeds > 1 else (False,)
    return [
        FrontView(x, y, closely, by_mean)
        for by_mean in of
        for closely in (True, False)
        for y, x in pairs(spec.objectives)
    ]


def pairs(objectives: Objectives) -> list[tuple[str, str]]:
    """Return the pairs of objectives, as (y, x); the MACs stand in where there is but one."""
    return list(combinations(objectives, 2)) or [(next(iter(objectives)), "macs")]

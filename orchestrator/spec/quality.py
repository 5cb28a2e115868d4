"""Which metric says how good a network is, rather than what it costs: by it, it is held against the dense one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from trainables import tasks
from trainables.metrics import Direction, Unit, find, is_function, is_of_task, unit

_OF_TASK: Final = {task: tasks.selecting(task) for task in tasks.names()}


@dataclass(frozen=True)
class Quality:
    """A metric of a study's task, and which way it is better."""

    metric: str
    direction: Direction

    @property
    def is_share(self) -> bool:
        """Whether differences are told in percentage points."""
        return unit(self.metric) is Unit.SHARE

    @property
    def drop_name(self) -> str:
        """The name of what a trial is worse by than the dense network: ``accuracy_drop``, ``mae_rise``."""
        return f"{self.metric}_{self.change}"

    @property
    def change(self) -> str:
        """Which way the metric moves where a network becomes worse."""
        return "drop" if self.direction == "maximize" else "rise"

    @property
    def side(self) -> str:
        """Where worse values lie."""
        return "below" if self.direction == "maximize" else "above"

    def loss(self, values: Mapping[str, float]) -> float:
        """Return the metric among a trial's values so that lower is better; raises KeyError if it is missing."""
        return -values[self.metric] if self.direction == "maximize" else values[self.metric]


def quality_of(objectives: Mapping[str, Direction]) -> Quality:
    """Return what selects in the task of a study with these objectives.

    The metric of a task of our own is known from any of its metrics among them; that of a user's task is the first of
    its metrics, for a study must name it first. A study that seeks costs only is taken for one of classification.
    """
    named = [name for name in objectives if is_of_task(name) and not is_function(name)]
    owners = [find(name).tasks for name in named]
    for task, selecting in _OF_TASK.items():
        if named and all(task in tasks_of for tasks_of in owners):
            return Quality(selecting, find(selecting).direction or "minimize")
    if named:
        return Quality(named[0], objectives[named[0]])
    return Quality(_OF_TASK[tasks.CLASSIFICATION], "maximize")

"""The sweep behind Ray Tune's SearchAlgorithm: Tune asks for a trial whenever it has room for one."""

from collections.abc import Callable, Sequence
from itertools import count, repeat
from typing import Any

from ray.tune.experiment import Experiment
from ray.tune.search import SearchAlgorithm

from orchestrator.execution.capacity import Capacity
from orchestrator.execution.tune_trial import OrderedTrial
from orchestrator.execution.work_order import WorkOrder
from orchestrator.sweep.sweep import Assignment, Sweep


class LedgerSearch(SearchAlgorithm):  # type: ignore[misc]  # Ray has no types
    """Hands Ray Tune the sweep's trials, as many at once as `capacity` allows.

    `order` makes a trial's work order from its number of workers and the id that Tune gives it. `interrupted` says
    whether a signal asked the run to end: Tune does not check while it has nothing to run. Nothing is stored here:
    `recorder.Recorder` records results and ends, because Tune swallows exceptions that a search raises there.
    """

    def __init__(
        self,
        sweep: Sweep,
        capacity: Capacity,
        order: Callable[[Assignment, int, str], WorkOrder],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._sweep, self._capacity, self._order = sweep, capacity, order
        self._interrupted = interrupted
        self._ids = map("{}_{:05d}".format, repeat(OrderedTrial.generate_id()), count())
        self._storage: Any = None

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("search",)  # Ray Tune pickles its search algorithm into a file that nobody reads

    def add_configurations(self, experiments: Sequence[Experiment]) -> None:
        """Take the storage of the one experiment, where Ray Tune wants to know its trials."""
        (experiment,) = experiments
        self._storage = experiment.spec["storage"]

    def next_trial(self) -> OrderedTrial | None:
        """Return the next trial, or None: not now, or never again if `is_finished`."""
        if not self._sweep.live and (self._sweep.is_over or self._interrupted()):
            self.set_finished()
            return None
        workers = self._capacity.take(self._sweep.live, self._sweep.waiting)
        if not workers:
            return None
        assignment = self._sweep.next()
        if assignment is not None:
            self._capacity.give(assignment.number, workers)
            tune_id = next(self._ids)
            return OrderedTrial(self._order(assignment, workers, tune_id), tune_id, self._storage)
        if (
            not self._sweep.live and self._sweep.is_over
        ):  # a live trial may be lost, and is handed out again after a while
            self.set_finished()
        return None

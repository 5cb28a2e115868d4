"""The sweep behind Ray Tune's Searcher: Tune asks for a trial whenever it has room for one."""

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from orchestrator.execution.capacity import Capacity
from orchestrator.execution.work_order import WorkOrder
from orchestrator.sweep.sweep import Assignment, Sweep


class LedgerSearcher(Searcher):  # type: ignore[misc]
    """Hands Ray Tune the sweep's trials, as many at once as `capacity` allows.

    `order` makes a trial's work order from its number of workers and the id that Tune gives it. `interrupted` says
    whether a signal asked the run to end: Tune does not check while it has nothing to run. The searcher stores nothing:
    `recorder.Recorder` records results and ends, because Tune swallows exceptions that a searcher raises there.
    """

    def __init__(
        self,
        sweep: Sweep,
        capacity: Capacity,
        order: Callable[[Assignment, int, str], WorkOrder],
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(metric=None, mode=None)
        self._sweep, self._capacity, self._order = sweep, capacity, order
        self._interrupted = interrupted

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("searcher",)  # Ray Tune pickles its searcher into a file that nobody reads

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:  # noqa: ARG002
        return True

    def suggest(self, trial_id: str) -> Any:
        """Return the next trial's configuration, None for "not now", or FINISHED, which is final."""
        if not self._sweep.live and (self._sweep.is_over or self._interrupted()):
            return Searcher.FINISHED
        workers = self._capacity.take(self._sweep.live, self._sweep.waiting)
        if not workers:
            return None
        assignment = self._sweep.next()
        if assignment is not None:
            self._capacity.give(assignment.number, workers)
            return self._order(assignment, workers, trial_id).as_dict()
        # a live trial may still be lost, and a lost one waits a while before it is handed out again
        return None if self._sweep.live or not self._sweep.is_over else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is resumed from its ledger, not from Ray Tune's files")

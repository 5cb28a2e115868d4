"""The rungs behind Ray Tune's TrialScheduler: Tune asks after each report whether a trial continues."""

from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.execution import ray_internals
from orchestrator.execution.capacity import Capacity
from orchestrator.execution.tune_trial import OrderedTrial
from orchestrator.ledger.epoch import Epoch
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.verdict import Verdict


class ParetoHalving(FIFOScheduler):  # type: ignore[misc]
    """Starts trials in order, and stops or pauses those that the sweep's rungs hold back. Without rungs it stops none.

    To Ray Tune a paused trial ends like a stopped one: Ray Tune's own pausing would keep its state in memory only. A
    pending trial that needs more workers than the `capacity`, because a node has left, is withdrawn.
    """

    def __init__(self, sweep: Sweep, capacity: Capacity, note: Callable[[Trial, Verdict], None]) -> None:
        """Call `note` with the verdict on a trial that ends: Ray Tune reports only that it has ended."""
        super().__init__()
        self._sweep, self._capacity, self._note = sweep, capacity, note

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("scheduler",)  # Ray Tune pickles its scheduler into a file that nobody reads

    @property
    def supports_buffered_results(self) -> bool:
        return False

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Return None: Ray Tune starts pending trials by itself, without searching through all of them.

        It calls this at the start of every step, when the recorder has recorded all trials that ended before.
        """
        controller = ray_internals.controller_of(tune_controller)
        if finished := {trial for trial in controller.get_trials() if trial.is_finished()}:
            ray_internals.forget(controller, finished)
        for trial in controller.get_trials():
            if trial.status == Trial.PENDING and not self._capacity.may_hold(trial.order.workers):
                ray_internals.withdraw(controller, trial)  # the recorder takes it back

    def on_trial_result(self, tune_controller: Any, trial: OrderedTrial, result: dict[str, Any]) -> str:  # noqa: ARG002 - Tune passes it
        if "epoch" not in result:
            return str(TrialScheduler.CONTINUE)
        verdict = self._sweep.judge(trial.order.number, Epoch.from_dict(result))
        if verdict.continues:
            return str(TrialScheduler.CONTINUE)
        self._note(trial, verdict)
        return str(TrialScheduler.STOP)

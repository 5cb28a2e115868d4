"""The rungs behind Ray Tune's TrialScheduler: Tune asks after each report whether a trial goes on."""

from typing import Any

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.execution.capacity import Capacity
from orchestrator.ledger.epoch import Epoch
from orchestrator.sweep.sweep import Sweep


class ParetoHalving(FIFOScheduler):  # type: ignore[misc]
    """Starts trials as they come and stops those that the sweep's rungs find hopeless. Without rungs it stops none.

    A trial that pauses ends here like one that is stopped: Ray Tune's own pausing would leave it to Ray Tune's memory.
    One that waits for more workers than the cluster's `capacity`, for a node has gone meanwhile, is withdrawn.
    """

    def __init__(self, sweep: Sweep, capacity: Capacity) -> None:
        super().__init__()
        self._sweep, self._capacity = sweep, capacity

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("scheduler",)  # Ray Tune pickles its scheduler into a file that nobody reads

    @property
    def supports_buffered_results(self) -> bool:
        return False

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Leave it to Ray Tune, which starts pending trials by itself without searching through all of them.

        It asks this at the begin of every step, when the recorder has taken notice of all that ended before.
        """
        controller = tune_controller._tune_controller
        _forget_finished(controller)
        for trial in controller.get_trials():
            if trial.status == Trial.PENDING and not self._capacity.may_hold(trial.config["workers"]):
                _withdraw(controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        if "epoch" not in result:
            return str(TrialScheduler.CONTINUE)
        goes_on = self._sweep.judge(trial.config["number"], Epoch.from_dict(result))
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)


def _withdraw(controller: TuneController, trial: Trial) -> None:
    """End a trial that has not started; the recorder takes it back. Ray Tune would count its workers as wanted."""
    if trial in controller._staged_trials:
        controller._unstage_trial_with_resources(trial)
    controller.stop_trial(trial)


def _forget_finished(controller: TuneController) -> None:
    """Take the trials that are over out of Ray Tune's books.

    It would keep each with the history of all its metrics, 60 kB, and put all of them into a last snapshot.
    """
    trials = controller.get_trials()
    if finished := {trial for trial in trials if trial.is_finished()}:
        trials[:] = [trial for trial in trials if trial not in finished]
        for kept in (controller._stopped_trials, controller._failed_trials, controller._trials_to_cache):
            kept -= finished

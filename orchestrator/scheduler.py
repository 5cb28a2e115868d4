"""The rungs behind Ray Tune's TrialScheduler: Tune asks after each report whether a trial goes on."""

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from orchestrator.sweep import Sweep


class ParetoHalving(FIFOScheduler):  # type: ignore[misc]
    """Starts trials as they come and stops those that the sweep's rungs find hopeless. Without rungs it stops none.

    A trial that pauses ends here like one that is stopped: Ray Tune's own pausing would leave it to Ray Tune's memory.
    """

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self._sweep = sweep

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("scheduler",)  # Ray Tune pickles its scheduler into a file that nobody reads

    @property
    def supports_buffered_results(self) -> bool:
        return False

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Leave it to Ray Tune, which starts pending trials by itself without searching through all of them."""

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        goes_on = self._sweep.judge(trial.config["number"], trial.config["trial"]["paradigm"], result)
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

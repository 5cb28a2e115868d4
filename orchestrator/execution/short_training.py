"""Trains a network for some steps to see how long they take. Imports torch."""

from trainables.state import LiveTrial
from trainables.tasks.classification import smoothed
from trainables.training.companion import Companion
from trainables.training.cuda_graphs import runs_on
from trainables.training.epoch import EpochResult
from trainables.training.optimizers import optimizer_for
from trainables.training.training import train_epoch


class ShortTraining:
    """Trains a trial's network for parts of epochs, as the trial would, but hardly moves its weights."""

    def __init__(self, trial: LiveTrial) -> None:
        self._trial, self._batches = trial, trial.batches()
        self._optimizer = optimizer_for(trial.model, trial.spec.training)
        self._steps = runs_on(trial.context.device, trial.spec.training.capture).steps

    def take(self, steps: int) -> EpochResult:
        """Take the last steps of an epoch."""
        spec = self._trial.spec.training
        return train_epoch(
            self._trial.model,
            self._batches,
            self._optimizer,
            lambda _: spec.lr * 1e-3,  # so small that nothing diverges: that would change the speed
            task=smoothed(self._trial.task, spec.label_smoothing),
            precision=self._trial.precision,
            companion=Companion(),
            skip=len(self._batches) - steps,
            steps=self._steps,
        )

    def paced(self, seconds: float) -> tuple[float, int]:
        """Return the seconds of a step, and how many were taken at once: until that takes so long, or an epoch."""
        count = 1
        while True:
            took = self.take(count).seconds
            if took >= seconds or count == len(self._batches):
                return took / count, count
            count = min(len(self._batches), 2 * count)

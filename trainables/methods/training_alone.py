"""Training other networks of a trial's kind by themselves, for a while, beside the trial's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import torch

from trainables.methods.scaled_rate import rate_scale, readouts
from trainables.structure.widths import redrawn
from trainables.tasks.classification import smoothed
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.training import learning_rate, train_epoch

if TYPE_CHECKING:
    from torch import nn

    from trainables.state import LiveTrial

ALONE_SEED: Final = 13_000_027
"""Added to a trial's seed for the first weights, batches and dropout of all that is trained beside it."""


def train_alone(trial: "LiveTrial", network: "nn.Module", epochs: int, held_out: float) -> None:
    """Train a network of other widths as the trial is trained: from fresh weights, by one whole schedule of `epochs`.

    The share `held_out` of the training images is not trained on. All networks see the same batches. Random numbers of
    the trial and of torch stay as they were, so that processes of one trial may train different networks.
    """
    spec, batches, scale = trial.spec.training, trial.batches(held_out), rate_scale(trial)
    length = epochs * len(batches)

    def rate(first: int, step: int) -> float:
        return scale * learning_rate(spec, (first + step) / length)

    with _own_random_numbers(trial):
        network.load_state_dict(redrawn(trial.build_start().state_dict(), network.state_dict()))
        trial.scale_first_weights(network)
        optimizer = optimizer_for(network, spec, readouts(trial))
        for first in range(0, length, len(batches)):
            train_epoch(
                network,
                batches,
                optimizer,
                partial(rate, first),
                task=smoothed(trial.task, spec.label_smoothing),
                precision=trial.precision,
                companion=Companion(),
            )


@contextmanager
def _own_random_numbers(trial: "LiveTrial") -> Iterator[None]:
    """Seed torch's random numbers and the trial's, and put back both afterwards."""
    seed, state = trial.spec.seed + ALONE_SEED, trial.generator.get_state()
    trial.generator.manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield
    trial.generator.set_state(state)

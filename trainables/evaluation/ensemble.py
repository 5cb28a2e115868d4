"""Ensembles by parameter reassignment (Liu et al., arXiv 1807.00847): members drawn around the final network.

They are drawn while masked filters are still there; without them they compute the same.
"""

import copy
from typing import Final

import torch
from torch import Tensor, nn

from trainables.data.dataset import Dataset, Split
from trainables.evaluation.scores import scores_of_mean
from trainables.state import LiveTrial
from trainables.training.norms import refresh_norms
from trainables.training.training import evaluate

DRAWN: Final = 1_000_019
"""Added to a trial's seed where members are drawn."""


def measure_ensemble(trial: LiveTrial) -> None:
    """Measure the ensemble that the trial's spec asks for, and forget the moments that it is drawn from.

    The averaged probabilities of the members are measured on validation and test, as ``ensemble_nll`` and
    ``ensemble_test_nll``. Without moments nothing is done: there was no training, or it is measured already.
    """
    wanted, moments = trial.spec.ensemble, trial.moments
    if wanted is None or moments is None:
        return
    generator = torch.Generator().manual_seed(trial.spec.seed + DRAWN)
    member, sums = copy.deepcopy(trial.model), dict[str, Tensor]()
    data, channels_last = trial.dataset, trial.spec.training.channels_last
    for _ in range(wanted.members):
        moments.draw(member, trial.masks.items(), wanted.scale, generator)
        refresh_norms(member, data, channels_last=channels_last)
        for split in ("validation", "test"):
            given = probabilities(member, data, getattr(data, split), channels_last=channels_last)
            sums[split] = sums[split] + given if split in sums else given
    for split, of_all in sums.items():
        start = "ensemble_test_" if split == "test" else "ensemble_"
        measured = scores_of_mean(of_all / wanted.members, getattr(data, split).labels)
        trial.measured |= {f"{start}{metric}": value for metric, value in measured.items()}
    trial.measured["ensemble_members"] = wanted.members
    trial.moments = None


def probabilities(model: nn.Module, data: Dataset, split: Split, *, channels_last: bool = False) -> Tensor:
    """Return what a classifier gives each class for the images of a split of a data set: float64 [N, classes]."""
    measured = evaluate(model, split, data.mean, data.std, channels_last=channels_last, keep_logits=True)
    assert measured.logits is not None
    return measured.logits.softmax(1, dtype=torch.float64)

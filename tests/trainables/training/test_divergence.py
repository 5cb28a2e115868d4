"""Losses that end a training: no numbers, and those beside which an untrained network's is lost in rounding."""

import math

import pytest
import torch

from trainables.errors import TrainingDiverged
from trainables.training.divergence import BEYOND, has_diverged, refuse_divergence


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_diverged(loss: float) -> None:
    assert has_diverged(loss, lambda: 1.0)


def test_a_loss_is_judged_by_that_of_the_untrained_network() -> None:
    assert has_diverged(7e23, lambda: 2.3)
    assert not has_diverged(7e23, lambda: 1e17)
    assert not has_diverged(BEYOND, lambda: 1.0)


def test_the_untrained_network_is_run_for_huge_losses_only() -> None:
    def untrained() -> float:
        raise AssertionError("an evaluation for nothing")

    assert not has_diverged(1e6, untrained)
    assert not has_diverged(-1e9, untrained)


def test_beside_such_a_loss_that_of_an_untrained_network_is_lost_in_rounding() -> None:
    most = torch.tensor(BEYOND)
    assert most + 1 == most
    assert most / 2 + 1 != most / 2


def test_the_sentence_names_the_loss_and_what_to_change() -> None:
    with pytest.raises(TrainingDiverged, match=r"^the training loss is nan: the training has diverged; lower it$"):
        refuse_divergence(math.nan, "training loss", lambda: 1.0, "lower it")
    refuse_divergence(2.0, "training loss", lambda: 1.0, "lower it")

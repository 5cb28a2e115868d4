"""Statistics of batch norms, measured again over training images."""

from pathlib import Path

import pytest
from torch import nn

from tests.trainables.stages import a_trial
from trainables.training.norms import refresh_norms


def test_norms_get_the_statistics_of_the_images(tmp_path: Path) -> None:
    norm = nn.BatchNorm2d(1)
    model = nn.Sequential(norm, nn.Dropout(0.5))
    refresh_norms(model, a_trial(tmp_path).dataset, channels_last=False)
    assert norm.running_mean is not None
    assert float(norm.running_mean) == pytest.approx(0, abs=1e-3)
    assert (norm.momentum, norm.training, model.training) == (0.1, True, True)


def test_a_network_without_norms_stays_as_it_is(tmp_path: Path) -> None:
    linear = nn.Linear(64, 2)
    before = linear.weight.clone()
    refresh_norms(nn.Sequential(nn.Flatten(), linear), a_trial(tmp_path).dataset, channels_last=False)
    assert before.equal(linear.weight)

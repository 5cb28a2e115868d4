"""Distributions of images: what each makes of the test images."""

from dataclasses import replace

import pytest
import torch

from tests.trainables.corruption.pictures import pictures
from trainables.corruption import corruptions
from trainables.data.dataset import Split
from trainables.errors import InvalidValue
from trainables.evaluation import distributions
from trainables.evaluation.distributions import Clean, Corrupted, Noisy, Sample

SPLIT = Split(pictures(), torch.arange(12))
SAMPLE = Sample(SPLIT, torch.arange(100, 112), 3)


def test_clean_images_are_the_test_images() -> None:
    assert Clean().of(SAMPLE) is SPLIT


def test_images_are_corrupted_by_their_number_and_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Corrupted("snow", 3).of(SAMPLE)
    assert torch.equal(whole.images, corruptions.corrupt(SPLIT.images, SAMPLE.numbers, "snow", 3, 3))
    assert torch.equal(whole.labels, SPLIT.labels)
    monkeypatch.setattr(distributions, "BATCH", 5)
    assert torch.equal(Corrupted("snow", 3).of(SAMPLE).images, whole.images)
    assert not torch.equal(Corrupted("snow", 3).of(replace(SAMPLE, seed=4)).images, whole.images)


def test_images_that_stream_stay_where_they_are() -> None:
    streaming = replace(SPLIT, streams_to=torch.device("cpu"))
    noisy = Noisy(0.1).of(replace(SAMPLE, split=streaming))
    assert noisy.streams_to == torch.device("cpu")
    assert torch.equal(noisy.images, Noisy(0.1).of(SAMPLE).images)


def test_names_are_those_of_columns() -> None:
    assert [Clean().name, Corrupted("fog", 2).name, Noisy(0.25).name] == ["clean", "fog_2", "noise_0.25"]


def test_images_that_cannot_be_corrupted_so_are_refused() -> None:
    Noisy(0.1).check((1, 2, 2))
    with pytest.raises(InvalidValue, match="needs images of at least 16 pixels a side"):
        Corrupted("snow", 1).check((3, 8, 8))

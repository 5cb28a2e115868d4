"""Images as floats."""

import pytest
import torch

from trainables.data import normalisation
from trainables.data.dataset import Split
from trainables.data.normalisation import Normalisation


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("cached", [1, 100, 10_000])
def test_parts_that_fit_into_the_cache_give_what_the_whole_gives(
    channels_last: bool, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normalisation, "CACHED", cached)
    images = torch.randint(0, 256, (7, 3, 6, 5), dtype=torch.uint8)
    before, mean, std = images.clone(), torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])
    split = Split(images, torch.zeros(7, dtype=torch.int64))
    normalised = Normalisation(mean.tolist(), std.tolist(), channels_last, split)(images)
    assert torch.equal(normalised, (images - 255 * mean[:, None, None]) / (255 * std[:, None, None]))
    assert torch.equal(images, before)
    assert normalised.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def test_no_image_is_normalised_to_none() -> None:
    split = Split(torch.zeros(0, 1, 2, 2, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
    assert Normalisation((), (), channels_last=False, split=split)(split.images).shape == (0, 1, 2, 2)

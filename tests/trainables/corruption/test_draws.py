"""Random numbers of images: what they depend on, and how they are distributed."""

import pytest
import torch

from trainables.corruption.draws import LEVELS, Draws

MANY = Draws(3, torch.arange(500))


def test_an_image_has_the_same_numbers_in_any_batch() -> None:
    whole = MANY.normal("noise", 3, 5)
    parts = [Draws(3, torch.arange(start, start + 125)).normal("noise", 3, 5) for start in range(0, 500, 125)]
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole[[7, 2]], Draws(3, torch.tensor([7, 2])).normal("noise", 3, 5))


def test_seed_use_and_image_each_change_the_numbers() -> None:
    levels = MANY.levels("noise", 40)
    assert not torch.equal(levels, Draws(4, MANY.images).levels("noise", 40))
    assert not torch.equal(levels, MANY.levels("other", 40))
    assert len(levels.unique(dim=0)) == 500


def test_they_are_the_same_on_every_machine() -> None:
    assert Draws(0, torch.tensor([0, 1])).levels("noise", 3).tolist() == [[5916, 15279, 9165], [21649, 65464, 25892]]


def test_they_are_spread_as_they_should_be() -> None:
    uniform, normal = MANY.uniform("noise", 200).double(), MANY.normal("noise", 200).double()
    assert 0 < uniform.min() < 0.001
    assert 0.999 < uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=0.004)
    assert torch.histc(uniform, 10, 0, 1).std() / 10_000 < 0.02
    assert normal.mean().item() == pytest.approx(0, abs=0.01)
    assert normal.std().item() == pytest.approx(1, abs=0.01)
    neighbours = torch.corrcoef(torch.stack([normal[:, :-1].flatten(), normal[:, 1:].flatten()]))[0, 1]
    images = torch.corrcoef(torch.stack([normal[:-1].flatten(), normal[1:].flatten()]))[0, 1]
    assert max(abs(neighbours), abs(images)) < 0.01
    assert int(MANY.levels("noise", 200).max()) < LEVELS

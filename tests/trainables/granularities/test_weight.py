"""Single weights: each a piece of its own."""

from pathlib import Path
from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tests.trainables.stages import a_trial
from trainables import granularities
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune

WEIGHT = granularities.find("weight")


def test_pieces_are_the_weights_themselves() -> None:
    values = torch.rand(3, 2, 2, 2)
    assert WEIGHT.sum(values) is values
    assert WEIGHT.spread(values, values.shape) is values


@given(st.integers(0, 40), st.integers(0, 9))
def test_exactly_the_best_weights_stay(kept: int, seed: int) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Linear(5, 4))
    scores = {
        name: torch.rand(w.shape, generator=torch.Generator().manual_seed(seed))
        for name, w in prunable_weights(model).items()
    }
    masks = WEIGHT.decide(SimpleNamespace(model=model), Prune(kept / 40), scores)  # type: ignore[arg-type]  # it asks for no more
    assert isinstance(masks, dict)
    alive = torch.cat([scores[name][mask > 0] for name, mask in masks.items()])
    dead = torch.cat([scores[name][mask == 0] for name, mask in masks.items()])
    assert len(alive) == kept
    assert not len(alive) or not len(dead) or alive.min() >= dead.max()


def test_sparing_keeps_the_best_weight_of_every_layer(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.model.get_parameter("conv1.weight").data.mul_(1e-6)
    prune(trial, Prune(0.01))
    assert not trial.weight_masks["conv1.weight"].any()
    spared = a_trial(tmp_path)
    spared.model.get_parameter("conv1.weight").data.mul_(1e-6)
    prune(spared, Prune(0.01, spare=True))
    assert spared.weight_masks["conv1.weight"].sum() == 1

"""When a recipe's network has the density at which it ends."""

import pytest

from trainables.recipes.gating import Gating
from trainables.recipes.in_training import GrowPenalty
from trainables.recipes.recipe import Prune, Recipe, Rewind, Train, first_pruned_epoch
from trainables.recipes.schedules import Gradual

HALF = Prune(0.5)


@pytest.mark.parametrize(
    ("recipe", "first"),
    [
        ((Train(6),), 1),
        ((HALF, Train(6)), 1),
        ((Train(4), HALF, Train(2)), 5),
        ((Train(2), Prune(0.7), Train(2), HALF, Train(2)), 5),
        ((Train(3), HALF, Rewind(), Train(3, start_epoch=0.5)), 4),
        ((Train(2), Train(4, during=Gradual(HALF, share=0.5))), 5),
        ((Train(2), Train(4, during=Gradual(HALF, share=0.4))), 4),
        ((Train(2), Train(2, during=GrowPenalty(HALF)), Train(2)), 5),
        ((Train(6, during=Gating(epochs=2)),), 3),
        ((Train(2, during=Gating(epochs=2)), Train(4)), 3),
        ((Train(6), HALF), 7),
    ],
)
def test_the_first_pruned_epoch_comes_after_the_last_pruning(recipe: Recipe, first: int) -> None:
    assert first_pruned_epoch(recipe) == first

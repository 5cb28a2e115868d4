"""The dense baseline: nothing is pruned, the whole budget is training."""

from pathlib import Path

import torch

from tests.trainables.stages import a_trial
from trainables.paradigms.dense import Dense
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.tasks.classification import CLASSIFICATION
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.training import learning_rate, train_epoch


def test_the_whole_budget_is_one_training() -> None:
    assert Dense().recipe(9) == (Train(9),)


def test_it_is_never_judged_before_its_end() -> None:
    assert Dense().judged_from(5) == 1


def test_it_is_the_textbook_training(tmp_path: Path) -> None:
    trial, by_hand = a_trial(tmp_path / "recipe"), a_trial(tmp_path / "hand")
    run_recipe(Dense().recipe(2), trial)
    optimizer = optimizer_for(by_hand.model, by_hand.spec.training)
    batches = by_hand.batches()
    for epoch in range(2):
        train_epoch(
            by_hand.model,
            batches,
            optimizer,
            lambda step, epoch=epoch: learning_rate(by_hand.spec.training, (epoch + step / len(batches)) / 2),  # type: ignore[misc]
            task=CLASSIFICATION,
            precision=by_hand.precision,
            companion=Companion(),
        )
    for mine, other in zip(trial.model.parameters(), by_hand.model.parameters(), strict=True):
        assert torch.allclose(mine, other, atol=1e-6)
    assert not trial.masks.items()

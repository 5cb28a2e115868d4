"""Gradual pruning inside a training stage."""

from itertools import pairwise
from pathlib import Path

from tests.trainables.stages import Watched, a_trial, alive
from trainables.recipes.recipe import Prune, Train
from trainables.recipes.schedules import Gradual
from trainables.runner import run_recipe
from trainables.state import LiveTrial


def test_the_network_is_pruned_as_often_as_asked_and_at_the_end_of_the_share(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    left: list[int] = []

    def count(trial: LiveTrial) -> None:
        left.append(sum(alive(trial).values()))

    gradual = Gradual(Prune(0.1), share=7 / 9, updates=4)
    run_recipe((Train(3, during=Watched(gradual, after=count)),), trial)
    whole = sum(weight.numel() for weight in trial.weight_masks.values())
    fell = [step for step, (before, after) in enumerate(pairwise([whole, *left]), start=1) if after < before]
    assert fell == [2, 4, 5, 7]
    assert left[-1] == round(0.1 * whole)

"""Pruning at initialisation, tickets and what weights become afterwards: the recipes, and what they do to weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial
from trainables import paradigms
from trainables.errors import InfeasibleTrial
from trainables.masking.masks import prunable_weights
from trainables.paradigms.lottery_ticket import LotteryTicket
from trainables.paradigms.magnitude import Magnitude
from trainables.recipes.recipe import Prune, Reinitialize, Remove, Rewind, Train, training_epochs
from trainables.runner import run_recipe
from trainables.state import LiveTrial

AT_INITIALISATION = ("snip", "grasp", "synflow", "force", "random")


def values(trial: LiveTrial) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in prunable_weights(trial.model).items()}


@pytest.mark.parametrize("name", AT_INITIALISATION)
def test_pruning_at_initialisation_leaves_the_whole_budget_to_training(name: str) -> None:
    recipe = paradigms.find(name)().recipe(7)
    assert isinstance(recipe[0], Prune)
    assert recipe[-1] == Train(7)
    assert training_epochs(recipe) == 7


@pytest.mark.parametrize("name", sorted(set(AT_INITIALISATION) - {"random"}))
def test_filters_are_removed_before_anything_is_trained(name: str) -> None:
    recipe = paradigms.find(name).create({"granularity": "filter", "sanity": "reinitialize"}).recipe(4)
    assert [type(stage) for stage in recipe] == [Prune, Reinitialize, Remove, Train]


@pytest.mark.parametrize("switch", ["shuffle", "invert", "random"])
def test_switches_reach_the_pruning(switch: str) -> None:
    for name in sorted(set(AT_INITIALISATION) - {"random"}):
        (prune, _) = paradigms.find(name).create({"sanity": switch}).recipe(4)
        assert isinstance(prune, Prune)
        assert prune.sanity == switch


def test_original_snip_draws_fresh_weights_after_the_mask() -> None:
    recipe = paradigms.find("snip").create({"reinit_after_mask": True}).recipe(4)
    assert [type(stage) for stage in recipe] == [Prune, Reinitialize, Train]


def test_shuffling_and_random_masks_are_for_the_last_ticket_and_inversion_for_all() -> None:
    def switches(sanity: str) -> list[str]:
        recipe = LotteryTicket(rounds=3, sanity=sanity).recipe(8)
        return [stage.sanity for stage in recipe if isinstance(stage, Prune)]

    assert switches("shuffle") == ["none", "none", "shuffle"]
    assert switches("random") == ["none", "none", "random"]
    assert switches("invert") == ["invert"] * 3
    assert switches("reinitialize") == ["none"] * 3
    recipe = LotteryTicket(rounds=3, sanity="reinitialize").recipe(8)
    assert [type(stage) for stage in recipe if not isinstance(stage, Train | Prune)] == [Rewind, Rewind, Reinitialize]


def test_a_ticket_with_a_shuffled_mask_starts_from_the_rewinding_point(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    initial = values(trial)
    run_recipe(LotteryTicket(rounds=1, sparsity=0.5, sanity="shuffle").recipe(2)[:-1], trial)
    for name, weight in values(trial).items():
        assert torch.equal(weight, initial[name] * trial.weight_masks[name])


def test_learning_rate_rewinding_keeps_the_weights_and_takes_no_snapshot() -> None:
    recipe = LotteryTicket(rounds=2, weights="rewind_lr", rewind_epoch=1).recipe(9)
    assert recipe == (
        Train(3),
        Prune(pytest.approx(0.2**0.5)),  # type: ignore[arg-type]  # equal within rounding
        Train(3, start_epoch=1),
        Prune(pytest.approx(0.2)),  # type: ignore[arg-type]  # equal within rounding
        Train(3, start_epoch=1),
    )


def test_finetuning_with_a_rewound_learning_rate_follows_the_last_epochs_of_training(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.1)
    run_recipe(Magnitude(finetune=0.25, weights="rewind_lr", sparsity=0.5).recipe(8), trial)
    rates = [report.learning_rate for report in trial.context.reports]  # type: ignore[attr-defined]
    assert rates[6:] == rates[4:5]  # the very last epoch's report is returned, not published
    assert Magnitude(finetune=0.25, weights="rewind_lr").recipe(8)[-1] == Train(6, start_epoch=4)


def test_a_finetuning_longer_than_training_has_a_schedule_of_its_own() -> None:
    assert Magnitude(finetune=0.75, weights="rewind_lr").recipe(8)[-1] == Train(6, start_epoch=0)


def test_patterns_fix_their_density() -> None:
    prunes = [stage for stage in Magnitude(granularity="2:4", sparsity=0.9).recipe(8) if isinstance(stage, Prune)]
    assert [prune.density for prune in prunes] == [0.5]


def test_signs_alone_are_kept(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    initial = values(trial)
    run_recipe((Train(1, snapshot_epoch=0), Prune(0.4), Rewind(), Reinitialize(keep_signs=True)), trial)
    for name, weight in values(trial).items():
        alive = trial.weight_masks[name] == 1
        assert torch.equal(weight[alive].sign(), initial[name][alive].sign())
        assert not torch.isclose(weight[alive], initial[name][alive]).all()
        assert not weight[~alive].any()


def test_constant_weights_have_one_size_per_layer_and_the_rewound_signs(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    initial = values(trial)
    stages = (Train(1, snapshot_epoch=0), Prune(0.4), Rewind(), Reinitialize(keep_signs=True, constant=True))
    run_recipe(stages, trial)
    for name, weight in values(trial).items():
        alive = trial.weight_masks[name] == 1
        assert torch.equal(weight[alive].sign(), initial[name][alive].sign())
        assert weight[alive].abs().unique().numel() == 1
        assert float(weight[alive].abs()[0]) == pytest.approx(float(initial[name].std()), rel=0.2)


def test_a_rewinding_point_beyond_a_round_is_refused() -> None:
    with pytest.raises(InfeasibleTrial, match="rewind_epoch = 3"):
        LotteryTicket(rounds=3, rewind_epoch=3.0).recipe(8)

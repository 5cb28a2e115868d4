"""Lottery tickets: rounds of training, pruning and rewinding, and what becomes of the survivors."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.stages import a_trial, alive, copied, masks_of, total
from trainables.errors import InfeasibleTrial
from trainables.masking.masks import prunable_weights
from trainables.paradigms.lottery_ticket import LotteryTicket
from trainables.recipes.recipe import Prune, Reinitialize, Rewind, Train
from trainables.runner import run_recipe


def test_the_alive_weights_of_a_ticket_are_bit_equal_to_initialisation(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    initial = copied(prunable_weights(trial.model))
    run_recipe((Train(2, snapshot_epoch=0), Prune(0.4), Rewind()), trial)
    for name, weight in prunable_weights(trial.model).items():
        assert torch.equal(weight, initial[name] * trial.masks.items()[name])


def test_tickets_are_rewound_once_a_round() -> None:
    recipe = LotteryTicket(rounds=3, rewind_epoch=0.5).recipe(8)
    assert [type(stage) for stage in recipe] == [Train, *[Prune, Rewind, Train] * 3]
    assert [stage.start_epoch for stage in recipe if isinstance(stage, Train)] == [0, 0.5, 0.5, 0.5]


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
    initial = copied(prunable_weights(trial.model))
    run_recipe(LotteryTicket(rounds=1, sparsity=0.5, sanity="shuffle").recipe(2)[:-1], trial)
    for name, weight in copied(prunable_weights(trial.model)).items():
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


def test_a_rewinding_point_beyond_a_round_is_refused() -> None:
    with pytest.raises(InfeasibleTrial, match="rewind_epoch = 3"):
        LotteryTicket(rounds=3, rewind_epoch=3.0).recipe(8)


@given(st.floats(0.0, 0.99), st.integers(1, 8))
def test_every_round_prunes_the_same_share_of_what_is_alive(sparsity: float, rounds: int) -> None:
    """Density after round r of n is (1 - s)^(r / n), arXiv 1803.03635, section 2."""
    recipe = LotteryTicket(sparsity=sparsity, rounds=rounds).recipe(rounds + 1)
    densities = [1.0, *(stage.density for stage in recipe if isinstance(stage, Prune))]
    shares = [after / before for before, after in pairwise(densities)]
    assert shares == pytest.approx([(1 - sparsity) ** (1 / rounds)] * rounds)
    assert densities[-1] == pytest.approx(1 - sparsity)


@given(st.integers(1, 60), st.integers(1, 12))
def test_every_training_gets_its_share_of_the_budget_or_the_trial_is_refused(epochs: int, rounds: int) -> None:
    if epochs <= rounds:
        with pytest.raises(InfeasibleTrial, match=rf"at least {rounds + 1} epochs; the budget is {epochs}$"):
            LotteryTicket(rounds=rounds).recipe(epochs)
        return
    spent = [stage.epochs for stage in LotteryTicket(rounds=rounds).recipe(epochs) if isinstance(stage, Train)]
    assert sum(spent) == epochs
    assert len(spent) == rounds + 1
    assert max(spent) - min(spent) <= 1


def test_a_later_ticket_is_a_part_of_the_earlier_ones(tmp_path: Path) -> None:
    trial, earlier = a_trial(tmp_path / "whole"), a_trial(tmp_path / "earlier")
    recipe = LotteryTicket(rounds=2, sparsity=0.9).recipe(3)
    run_recipe(recipe[:3], earlier)
    run_recipe(recipe, trial)
    first = masks_of(earlier)
    assert sum(alive(earlier).values()) == round(0.1**0.5 * total(earlier))
    assert sum(alive(trial).values()) == round(0.1 * total(trial))
    for name, mask in masks_of(trial).items():
        assert not (mask & ~first[name]).any()


def test_the_first_ticket_is_the_largest_weights_of_the_trained_network(tmp_path: Path) -> None:
    trial, trained = a_trial(tmp_path / "ticket"), a_trial(tmp_path / "trained")
    recipe = LotteryTicket(rounds=1, sparsity=0.7).recipe(2)
    run_recipe(recipe[:1], trained)
    run_recipe(recipe[:3], trial)
    sizes = {name: weight.detach().abs() for name, weight in prunable_weights(trained.model).items()}
    kept = torch.cat([sizes[name][mask] for name, mask in masks_of(trial).items()])
    gone = torch.cat([sizes[name][~mask] for name, mask in masks_of(trial).items()])
    assert kept.min() >= gone.max()


@pytest.mark.parametrize(
    ("weights", "stages"),
    [
        ("rewind", [Rewind()]),
        ("rewind_lr", []),
        ("reinitialize", [Reinitialize()]),
        ("signs", [Rewind(), Reinitialize(keep_signs=True)]),
        ("constant_signs", [Rewind(), Reinitialize(keep_signs=True, constant=True)]),
    ],
)
def test_survivors_become_what_is_asked_after_every_pruning(weights: str, stages: list[Rewind | Reinitialize]) -> None:
    recipe = LotteryTicket(rounds=2, weights=weights).recipe(6)
    assert [stage for stage in recipe if isinstance(stage, Rewind | Reinitialize)] == stages * 2
    snapshots = [stage.snapshot_epoch for stage in recipe if isinstance(stage, Train)]
    assert snapshots == ([0.0, None, None] if Rewind() in stages else [None] * 3)


def test_a_ticket_is_judged_at_its_end_only() -> None:
    assert LotteryTicket(rounds=2).judged_from(9) == 1


def test_a_refused_rewinding_point_says_how_long_a_round_is_and_what_to_do() -> None:
    with pytest.raises(InfeasibleTrial, match=r"a round of 2 epochs; use fewer rounds, an earlier rewinding point or"):
        LotteryTicket(rounds=3, rewind_epoch=2.0).recipe(8)


def test_a_ticket_of_given_weights_returns_to_them() -> None:
    rounds = LotteryTicket(rounds=2, pretrain=0, sparsity=0.75).recipe(6)
    first, second = Train(3, snapshot_epoch=0.0), Train(3)
    assert rounds == (Prune(0.5), first, Prune(0.25), Rewind(), second)
    assert LotteryTicket(rounds=1, pretrain=0, sparsity=0.5, weights="signs").recipe(4) == (
        Prune(0.5),
        Reinitialize(keep_signs=True),
        Train(4, snapshot_epoch=0.0),
    )

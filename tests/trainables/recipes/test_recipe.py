"""Recipes: when the network has its final density, what comes before all pruning, how epochs are shared out."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trainables.errors import InfeasibleTrial
from trainables.recipes.gating import Gating, Refining
from trainables.recipes.in_training import (
    Agree,
    Attack,
    ControlGates,
    GateByImage,
    GrowPenalty,
    LearnThresholds,
    Polarize,
    Rewire,
    Select,
    ShrinkGroups,
    SolveLayers,
    Tie,
    Unify,
)
from trainables.recipes.recipe import (
    AnyStage,
    Attaches,
    HoldsOut,
    InTraining,
    KeepsSize,
    Prune,
    PrunesWithin,
    Recipe,
    Reinitialize,
    Remove,
    Rewind,
    ScaleWidths,
    SetWidths,
    Stage,
    Train,
    dense_training,
    first_pruned_epoch,
    share_epochs,
    training_epochs,
)
from trainables.recipes.schedules import Gradual
from trainables.recipes.widths import AdjustWidths, FlipSigns, FollowRanks, ShareWeights

HALF = Prune(0.5)
ROUND: dict[str, Any] = {"index": 1, "count": 3}
DURING: tuple[InTraining, ...] = (
    Gradual(HALF, share=0.3),
    Gating(epochs=3),
    GrowPenalty(HALF),
    ShrinkGroups(HALF),
    Polarize(HALF),
    Agree(),
    ControlGates(HALF),
    GateByImage(),
    Unify(HALF),
    SolveLayers(4, sparsity=0.5),
    SolveLayers(4),
    FollowRanks(**ROUND, narrowest=4, widest=64),
    FlipSigns(**ROUND, narrowest=4, widest=64),
    AdjustWidths(**ROUND),
    ShareWeights(**ROUND, macs=0.5, narrowest=0.25),
    Rewire("random"),
    Select(0.5),
    LearnThresholds(0.1),
    Attack(),
    Tie("block_4"),
    Refining(),
)
"""What can act inside a training stage, one of each kind."""

MOVING = (Rewire, Select, LearnThresholds)
"""What moves masks from the first step on: the network is never at a density that it had not before."""


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


@pytest.mark.parametrize("during", DURING, ids=lambda during: type(during).__name__)
@given(epochs=st.integers(1, 60))
def test_what_prunes_within_a_stage_has_pruned_by_its_end(during: InTraining, epochs: int) -> None:
    assert isinstance(during, PrunesWithin) is not isinstance(during, (*MOVING, KeepsSize))
    if isinstance(during, PrunesWithin):
        assert 0 <= during.pruned_after(epochs) <= epochs


@given(st.floats(0, 1), st.integers(1, 60))
def test_a_controller_chooses_after_whole_epochs_and_leaves_one_to_train_the_choice(freeze: float, epochs: int) -> None:
    frozen = ControlGates(HALF, freeze=freeze).frozen_after(epochs)
    assert 1 <= frozen <= max(1, epochs - 1)
    if 1 <= freeze * epochs <= epochs - 1:
        assert abs(frozen - freeze * epochs) <= 0.5


def test_a_stage_that_begins_inside_an_epoch_is_rounded_up_before_the_choice() -> None:
    assert ControlGates(HALF, freeze=1.0).frozen_after(2.5) == 2
    assert ControlGates(HALF, freeze=1.0).frozen_after(3.0) == 2


def test_layers_that_are_solved_are_pruned_in_the_last_sweep_if_at_all() -> None:
    assert SolveLayers(4, sparsity=0.5).pruned_after(4) == 3
    assert SolveLayers(4).pruned_after(4) == 0
    assert first_pruned_epoch((Train(4, during=SolveLayers(4, sparsity=0.5)),)) == 4
    assert first_pruned_epoch((Train(4, during=SolveLayers(4)),)) == 1


def test_a_share_of_a_stage_counts_from_where_the_stage_begins() -> None:
    late = Train(6, start_epoch=2.0, during=Gradual(HALF, share=0.5))
    assert first_pruned_epoch((Train(3), late)) == 6
    assert first_pruned_epoch((Train(3), replace(late, start_epoch=4.0))) == 5


stages: st.SearchStrategy[AnyStage] = st.one_of(
    st.builds(Train, st.integers(1, 9)),
    st.builds(Train, st.integers(5, 9), start_epoch=st.sampled_from([0.5, 1.0, 2.25])),
    st.builds(Train, st.integers(1, 9), during=st.sampled_from(DURING)),
    st.sampled_from([HALF, Rewind(), Remove(), Reinitialize(), SetWidths(8), ScaleWidths(0.5)]),
)


@given(st.lists(stages, min_size=1, max_size=6).map(tuple), st.lists(stages, min_size=1, max_size=6).map(tuple))
def test_recipes_one_after_the_other_train_as_long_as_both(one: Recipe, other: Recipe) -> None:
    assert training_epochs(one + other) == training_epochs(one) + training_epochs(other)


def test_a_stage_that_begins_late_trains_the_rest_of_its_schedule() -> None:
    assert training_epochs((Train(3), HALF, Rewind(), Train(4, start_epoch=1.5))) == 5.5


@given(st.lists(stages, min_size=1, max_size=6).map(tuple))
def test_the_first_pruned_epoch_is_within_the_budget_or_right_after_it(recipe: Recipe) -> None:
    assert 1 <= first_pruned_epoch(recipe) <= training_epochs(recipe) + 1


@given(st.lists(stages, min_size=1, max_size=6).map(tuple), st.integers(1, 9))
def test_training_first_moves_the_first_pruned_epoch_by_as_much(recipe: Recipe, epochs: int) -> None:
    prunes = any(
        isinstance(stage, Prune) or isinstance(getattr(stage, "during", None), PrunesWithin) for stage in recipe
    )
    assume(prunes)
    assert first_pruned_epoch((Train(epochs), *recipe)) == first_pruned_epoch(recipe) + epochs


@pytest.mark.parametrize(
    ("recipe", "shared"),
    [
        ((Train(6),), None),
        ((Train(6), HALF, Remove()), None),
        ((Train(4), HALF, Train(2)), Train(4)),
        ((Train(4), Train(2)), Train(4)),
        ((Train(4, snapshot_epoch=1.0), HALF, Rewind(), Train(4, start_epoch=1.0)), Train(4, snapshot_epoch=1.0)),
        ((HALF, Train(6)), None),
        ((Train(4, during=Gradual(HALF)), Train(2)), None),
        ((Train(4, during=Refining()), Train(2)), None),
        ((Train(4, start_epoch=0.5), HALF, Train(2)), None),
    ],
)
def test_dense_training_is_whole_plain_and_followed_by_more(recipe: Recipe, shared: Train | None) -> None:
    assert dense_training(recipe) == shared


@given(st.integers(1, 500), st.integers(1, 40))
def test_shares_of_a_budget_are_nearly_equal_and_earlier_ones_are_the_longer(epochs: int, parts: int) -> None:
    assume(epochs >= parts)
    shares = share_epochs(epochs, parts)
    assert (len(shares), sum(shares)) == (parts, epochs)
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 1
    assert max(shares) - min(shares) <= 1


def test_a_budget_of_fewer_epochs_than_rounds_is_refused_with_both() -> None:
    with pytest.raises(InfeasibleTrial, match="4 rounds of training need at least 4 epochs; the budget is 3"):
        share_epochs(3, 4)


@dataclass(frozen=True)
class Foreign:
    """A stage, and what acts inside one, as another package writes them: of no class of ours."""

    held_out: float = 0.25

    def run(self, trial: Any) -> None: ...

    def attach(self, trial: Any, steps: int) -> Any: ...


def test_what_another_package_brings_is_known_by_what_it_can_do() -> None:
    assert isinstance(Foreign(), Stage)
    assert isinstance(Foreign(), Attaches)
    assert isinstance(Foreign(), HoldsOut)
    assert not isinstance(Foreign(), PrunesWithin | InTraining)


def test_only_what_holds_images_out_says_how_many() -> None:
    holding = [type(during) for during in DURING if isinstance(during, HoldsOut)]
    assert holding == [ControlGates, AdjustWidths, ShareWeights]


def test_equal_descriptions_are_equal_stages() -> None:
    assert Train(3, during=Gradual(HALF)) == Train(3, during=Gradual(Prune(0.5)))
    assert Train(3, during=Gradual(HALF)) != Train(3, during=Gradual(Prune(0.4)))
    assert len({HALF, Prune(0.5), Prune(0.5, spare=True)}) == 2

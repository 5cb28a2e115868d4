"""Dynamic sparse training: how many weights live, which go, which come, and as what."""

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.conftest import MemoryContext
from tests.trainables.stages import Watched, a_trial, alive, copied, masks_of, momentum_of, total
from tests.trainables.tiny_networks import ARCHITECTURES
from trainables.errors import InvalidValue
from trainables.masking.masks import prunable_weights
from trainables.methods.dynamic import drop_fraction, rewire
from trainables.recipes.in_training import Rewire
from trainables.recipes.recipe import Prune, Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.trial import run_trial

every_growth = pytest.mark.parametrize("growth", ["random", "gradient"])
every_architecture = pytest.mark.parametrize("model", ARCHITECTURES)


@st.composite
def layers(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor, int]:
    """Draw a mask, weights that are zero where it is, what growing is worth, and how many weights go."""
    mask = torch.tensor(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=40)))
    numbers = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    weight = torch.randn(len(mask), generator=numbers) * mask
    growth = torch.rand(len(mask), generator=numbers)
    return mask, weight, growth, draw(st.integers(0, int(mask.sum())))


@given(layers())
def test_as_many_weights_grow_as_are_dropped(layer: tuple[Tensor, Tensor, Tensor, int]) -> None:
    mask, weight, growth, dropped = layer
    moved = rewire(mask, weight, growth, dropped)
    assert set(moved.tolist()) <= {0.0, 1.0}
    assert moved.sum() == mask.sum()


@given(layers())
def test_the_smallest_go_and_those_that_are_worth_most_come(layer: tuple[Tensor, Tensor, Tensor, int]) -> None:
    mask, weight, growth, dropped = layer
    moved = rewire(mask, weight, growth, dropped)
    gone, grown = (mask > moved), (moved > mask)
    stays = (mask > 0) & ~gone
    if gone.any() and stays.any():
        below = weight.abs()[gone].max()
        assert (weight.abs()[stays] < below).sum() <= dropped - gone.sum()  # only regrown ones may be smaller
    passed_over = moved == 0
    if grown.any() and passed_over.any():
        assert growth[grown].min() >= growth[passed_over].max()


@given(st.floats(0, 1), st.lists(st.floats(0, 1), min_size=2).map(sorted))
def test_the_dropped_share_falls_from_its_initial_value_to_zero(initial: float, times: list[float]) -> None:
    shares = [drop_fraction(time, initial) for time in times]
    assert drop_fraction(0, initial) == pytest.approx(initial)
    assert drop_fraction(1, initial) == pytest.approx(0)
    assert drop_fraction(0.5, initial) == pytest.approx(initial / 2)
    assert shares == sorted(shares, reverse=True)


@every_growth
@every_architecture
@pytest.mark.parametrize("scope", ["layer", "erk"])
def test_each_layer_keeps_its_number_of_weights(model: str, growth: str, scope: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    run_recipe((Prune(0.2, criterion="random", scope=scope),), trial)
    before, first = {name: int(mask.sum()) for name, mask in masks_of(trial).items()}, masks_of(trial)
    counted: list[dict[str, int]] = []

    def count(trial: LiveTrial) -> None:
        counted.append({name: int(mask.sum()) for name, mask in trial.weight_masks.items()})
        assert all(alive(trial)[name] <= before[name] for name in before)

    trial.position.stage = 0
    run_recipe((Train(3, during=Watched(Rewire(growth, updates=4), after=count)),), trial)
    assert counted == [before] * len(counted)
    assert any((first[name] != mask.bool()).any() for name, mask in trial.weight_masks.items())


def test_a_constant_number_of_weights_is_the_density_asked_for(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.1, criterion="random", scope="erk"), Train(2, during=Rewire("gradient", updates=3))), trial)
    assert sum(int(mask.sum()) for mask in trial.weight_masks.values()) == round(0.1 * total(trial))


@every_growth
@every_architecture
def test_new_weights_are_zero_and_without_momentum(model: str, growth: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    seen: dict[str, dict[str, Tensor]] = {}
    grown = 0

    def remember(trial: LiveTrial) -> None:
        weights = prunable_weights(trial.model)
        seen["masks"] = masks_of(trial)
        seen["momentum"] = {name: momentum_of(trial, weight).clone() for name, weight in weights.items()}
        seen["weights"] = copied(weights)

    def compare(trial: LiveTrial) -> None:
        nonlocal grown
        for name, weight in prunable_weights(trial.model).items():
            was, now = seen["masks"][name], trial.weight_masks[name].bool()
            momentum = momentum_of(trial, weight)
            assert not weight[now & ~was].any()
            assert not momentum[(now != was)].any()
            assert torch.equal(weight[now & was], seen["weights"][name][now & was])
            assert torch.equal(momentum[now & was], seen["momentum"][name][now & was])
            grown += int((now & ~was).sum())

    stage = Train(2, during=Watched(Rewire(growth, updates=3), before=remember, after=compare))
    run_recipe((Prune(0.3, criterion="random", scope="erk"), stage), trial)
    assert grown > 0


@every_architecture
def test_rigl_grows_where_the_dense_gradient_is_largest(model: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    former: dict[str, Tensor] = {}

    def remember(trial: LiveTrial) -> None:
        former.update(masks_of(trial))

    def compare(trial: LiveTrial) -> None:
        for name, weight in prunable_weights(trial.model).items():
            now, gradient = trial.weight_masks[name].bool(), weight.grad
            assert gradient is not None
            grown, passed_over = now & ~former[name], ~now
            if grown.any() and passed_over.any():
                assert gradient[grown].abs().min() >= gradient[passed_over].abs().max()
                assert gradient[grown].abs().min() > 0

    stage = Train(2, during=Watched(Rewire("gradient", updates=3), before=remember, after=compare))
    run_recipe((Prune(0.3, criterion="random", scope="erk"), stage), trial)


def test_masks_stay_after_the_end_of_exploration(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    seen: list[dict[str, Tensor]] = []
    stage = Train(4, during=Watched(Rewire("random", share=0.5), after=lambda trial: seen.append(masks_of(trial))))
    run_recipe((Prune(0.3, criterion="random"), stage), trial)
    half = len(seen) // 2
    moved = [any((a[n] != b[n]).any() for n in a) for a, b in itertools.pairwise(seen)]
    assert all(moved[: half - 2])
    assert not any(moved[half - 1 :])


@every_growth
def test_explored_is_the_share_of_weights_that_were_ever_alive(growth: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.2, criterion="random", scope="erk"),), trial)
    ever = masks_of(trial)

    def unite(trial: LiveTrial) -> None:
        for name, mask in masks_of(trial).items():
            ever[name] |= mask

    trial.position.stage = 0
    run_recipe((Train(3, during=Watched(Rewire(growth, updates=5), after=unite)),), trial)
    assert trial.measured["explored"] == sum(int(mask.sum()) for mask in ever.values()) / total(trial)
    assert trial.measured["explored"] > 0.2


def test_nothing_is_explored_where_nothing_is_dropped(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.2, criterion="random"), Train(1, during=Rewire("random", fraction=0.0))), trial)
    assert trial.measured["explored"] == pytest.approx(0.2, abs=1e-4)


@pytest.mark.parametrize("name", ["set", "rigl"])
def test_the_projected_cost_is_the_final_one_from_the_first_epoch_on(name: str, context: MemoryContext) -> None:
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=120), model=ModelSpec(name="digits_cnn"), paradigm=name, epochs=3
    )
    run_trial(spec, context)
    final = context.reports[-1].metrics
    assert {report.macs_projected for report in context.reports} == {final["macs_effective"]}
    assert {report.params_projected for report in context.reports} == {final["params_effective"]}


def test_exploration_can_begin_from_any_mask(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.1, criterion="snip"), Train(1, during=Rewire("gradient"))), trial)
    assert sum(alive(trial).values()) <= round(0.1 * total(trial))


def test_an_unknown_growth_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="random"):
        run_recipe((Train(1, during=Rewire("randon")),), a_trial(tmp_path))


@every_growth
def test_masks_move_as_often_as_asked(growth: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    moved: list[bool] = []
    seen: list[dict[str, Tensor]] = []

    def look(trial: LiveTrial) -> None:
        seen.append(masks_of(trial))
        moved.append(len(seen) > 1 and any((seen[-1][name] != mask).any() for name, mask in seen[-2].items()))

    rewire = Rewire(growth, fraction=0.9, updates=5, share=1.0)
    run_recipe((Prune(0.2, criterion="random"), Train(3, during=Watched(rewire, after=look))), trial)
    assert len(moved) == 9
    assert [step for step, did in enumerate(moved, start=1) if did] == [2, 3, 5, 6, 8]

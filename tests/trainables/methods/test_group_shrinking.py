"""Penalties on groups inside training: exact counts and budgets, untouched survivors, half-spaces."""

from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial, copied
from trainables.errors import InfeasibleTrial
from trainables.methods.attach import attach
from trainables.methods.group_shrinking import GroupShrinking
from trainables.recipes.in_training import GROUP_PENALTIES, GROUP_WEIGHTS, ShrinkGroups
from trainables.recipes.recipe import Prune, Remove, Train
from trainables.runner import run_recipe
from trainables.spec import ModelSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.structure.writers import written
from trainables.training.optimizers import optimizer_for

HALF = Prune(0.5, granularity="filter")
BUDGET = Prune(1.0, granularity="filter", macs=0.4)


def widths(trial: LiveTrial) -> list[int]:
    return [group.size for group in trial.groups]


@pytest.mark.parametrize("penalty", GROUP_PENALTIES)
def test_exactly_the_asked_number_of_filters_stays(penalty: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    before = sum(widths(trial))
    run_recipe((Train(2, during=ShrinkGroups(HALF, penalty=penalty, strength=0.1)), Remove()), trial)
    assert sum(widths(trial)) == round(before / 2)


@pytest.mark.parametrize("weights", GROUP_WEIGHTS)
def test_a_budget_is_met_whatever_filters_weigh(weights: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    dense = measure(trial.model, trial.dataset.input_shape).macs
    run_recipe((Train(2, during=ShrinkGroups(BUDGET, weights=weights)), Remove()), trial)
    share = measure(trial.model, trial.dataset.input_shape).macs / dense
    assert 0.34 < share <= 0.4


def test_a_stronger_envelope_leaves_less_to_lose(tmp_path: Path) -> None:
    lost = []
    for strength in (0.01, 1.0, 10.0):
        trial = a_trial(tmp_path, lr=0.05)
        run_recipe((Train(4, during=ShrinkGroups(HALF, strength=strength)),), trial)
        lost.append(trial.measured["norm_removed"])
    assert lost[0] > lost[1] > lost[2] >= 0


def test_a_step_scales_some_filters_leaves_others_and_turns_none(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(ShrinkGroups(HALF, ramp=0.0, strength=3.0, violations=True), trial, 10)
    groups = written(trial.model, trial.groups)
    for group in groups:
        group.scale(1 + 20.0 * (torch.arange(group.size, dtype=torch.float64) % 4 == 0))
    norms = torch.cat([group.norms() for group in groups])
    before = copied(dict(trial.model.named_parameters()))
    companion.after_step()
    ratios = torch.cat([group.norms() for group in groups]) / norms
    assert 0 < float((ratios < 0.999).double().mean()) < 1
    for name, parameter in trial.model.named_parameters():
        old, new = (values.reshape(len(values), -1) for values in (before[name], parameter.detach()))
        torch.testing.assert_close((old * new).sum(1), old.norm(dim=1) * new.norm(dim=1))
    assert torch.equal(before["fc.weight"], trial.model.get_parameter("fc.weight"))


def test_a_filter_that_a_step_turns_round_goes_to_zero_and_stays(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = GroupShrinking(ShrinkGroups(HALF, penalty="half_space", ramp=0.0, strength=1e-3), trial, 10)
    filters = trial.model.get_parameter("conv2.weight")
    norm = [trial.model.get_parameter(f"bn2.{name}") for name in ("weight", "bias")]
    for turned in (-1.0, 1.0):
        companion.before_step()
        with torch.no_grad():
            for parameter in (filters, *norm):
                parameter[0] *= turned  # as if the optimizer had done so
        companion.after_step()
        assert not filters[0].any()
        assert filters[1].any()


def test_after_the_ramp_the_half_space_pulls_on_gradients(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion = GroupShrinking(ShrinkGroups(HALF, penalty="half_space", ramp=0.0, strength=2.0), trial, 10)
    filters = trial.model.get_parameter("conv2.weight")
    filters.grad = torch.zeros_like(filters)
    companion.before_step()
    cosine = torch.nn.functional.cosine_similarity(filters.grad.flatten(1), filters.detach().flatten(1))
    torch.testing.assert_close(cosine, torch.ones_like(cosine))


def test_what_it_will_cost_is_known_in_training(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    dense = measure(trial.model, trial.dataset.input_shape).macs
    foretold = GroupShrinking(ShrinkGroups(BUDGET), trial, 10).projected()
    assert 0.34 < foretold.macs / dense <= 0.4


def test_a_network_without_removable_filters_is_refused(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.__dict__["groups"] = ()
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no filters that could be removed"):
        attach(ShrinkGroups(HALF), trial, 10)
    assert trial.spec.model == ModelSpec(name="digits_cnn")

"""Sparse selection: what is frozen, how many weights are chosen, and by which gradient."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import MemoryContext
from tests.trainables.stages import Watched, a_trial, backward_once, loss_with, masks_of
from tests.trainables.tiny_networks import ARCHITECTURES
from trainables import checkpoint
from trainables.checkpoint import CHECKPOINT
from trainables.masking.masks import prunable_weights
from trainables.methods.selection import Selection, signed_constants
from trainables.recipes.in_training import Select
from trainables.recipes.recipe import Prune, Train
from trainables.runner import evaluate_on, run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

every_architecture = pytest.mark.parametrize("model", ARCHITECTURES)


@every_architecture
def test_frozen_weights_have_the_drawn_signs_and_one_size_per_layer(model: str, tmp_path: Path) -> None:
    network = a_trial(tmp_path, model).model
    constants = signed_constants(network)
    for name, weight in prunable_weights(network).items():
        fan_in, _ = nn.init._calculate_fan_in_and_fan_out(weight)
        assert torch.equal(constants[name], torch.where(weight < 0, -1.0, 1.0) * math.sqrt(2 / fan_in))


@every_architecture
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_chosen_weights_are_bit_equal_at_the_end(model: str, optimizer: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model, optimizer=optimizer, lr=0.1, weight_decay=0.1)
    frozen = signed_constants(trial.model)
    first: list[dict[str, Tensor]] = []
    run_recipe((Train(3, during=Watched(Select(0.3), after=lambda trial: first.append(masks_of(trial)))),), trial)
    for name, weight in prunable_weights(trial.model).items():
        mask = trial.weight_masks[name]
        assert torch.equal(weight, frozen[name] * mask)
        assert int(mask.sum()) == max(1, round(0.3 * mask.numel()))
    assert any((first[0][name] != mask.bool()).any() for name, mask in trial.weight_masks.items())


@every_architecture
def test_nothing_else_is_trained(model: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model, weight_decay=0.1)
    run_recipe((Train(2, during=Select(0.5)),), trial)
    for name, parameter in trial.model.named_parameters():
        if name not in prunable_weights(trial.model):
            neutral = torch.ones_like if name.endswith("weight") else torch.zeros_like
            assert torch.equal(parameter, neutral(parameter))


@every_architecture
def test_scores_get_the_straight_through_gradient(model: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    companion, batch = backward_once(trial, Select(0.4))
    assert isinstance(companion, Selection)
    assert all(parameter.grad is None for parameter in trial.model.parameters())
    frozen, masks = companion._frozen, trial.weight_masks
    scores = {name: score.detach().clone().requires_grad_() for name, score in companion._scores.items()}
    straight = {n: frozen[n] * (masks[n] + s.abs() - s.abs().detach()) for n, s in scores.items()}
    loss_with(trial.model, straight, batch).backward()
    for name, score in scores.items():
        assert score.grad is not None
        torch.testing.assert_close(companion._scores[name].grad, score.grad)


@every_architecture
def test_the_largest_scores_are_chosen_in_each_layer(model: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    companion, _ = backward_once(trial, Select(0.4))
    assert isinstance(companion, Selection)
    for name, score in companion._scores.items():
        chosen = trial.weight_masks[name].bool()
        assert score.abs()[chosen].min() >= score.abs()[~chosen].max()


@pytest.mark.parametrize("scope", ["global", "erk"])
def test_scores_can_be_ranked_in_every_scope(scope: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Train(1, during=Select(0.25, scope)),), trial)
    masks = trial.weight_masks.values()
    assert sum(int(mask.sum()) for mask in masks) == round(0.25 * sum(mask.numel() for mask in masks))
    assert len({round(mask.mean().item(), 2) for mask in masks}) > 1


def test_what_was_masked_before_stays_so(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(0.5),), trial)
    before = masks_of(trial)
    trial.position.stage = 0
    run_recipe((Train(2, during=Select(0.3)),), trial)
    assert all((mask.bool() <= before[name]).all() for name, mask in trial.weight_masks.items())


def test_a_checkpoint_holds_an_ordinary_network(context: MemoryContext) -> None:
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=120),
        model=ModelSpec(name="digits_cnn"),
        paradigm="edge_popup",
        epochs=3,
    )
    run_trial(spec, context)
    saved = torch.load(context.checkpoints[-1] / CHECKPOINT, weights_only=True)["model"]
    trial = a_trial(context.folder)
    assert saved.keys() == trial.model.state_dict().keys()
    checkpoint.restore(trial, context.checkpoints[-1])
    assert evaluate_on(trial, "validation").accuracy == context.reports[-1].accuracy


def test_a_random_network_contains_one_that_reads_digits(tmp_path: Path) -> None:
    losses = []
    for epochs in (1, 12):
        trial = a_trial(tmp_path, subset=400)
        run_recipe((Train(epochs, during=Select(0.5)),), trial)
        losses.append(evaluate_on(trial, "train").loss)
    assert losses[1] < 0.8 * losses[0]


def test_training_after_selection_moves_the_chosen_weights_only(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Train(1, during=Select(0.3)), Train(1)), trial)
    frozen = signed_constants(a_trial(tmp_path).model)
    for name, weight in prunable_weights(trial.model).items():
        mask = trial.weight_masks[name].bool()
        assert not weight[~mask].any()
        assert not torch.equal(weight[mask], frozen[name][mask])
        assert TrainingSpec().weight_decay > 0

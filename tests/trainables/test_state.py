"""A trial in progress: its network, its masks, and how far it is."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial, alive, copied
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune
from trainables.state import LiveTrial, Position
from trainables.structure.removal import remove
from trainables.training.companion import Companion, Companions
from trainables.training.training import optimizer_for


def test_an_epoch_that_begins_late_counts_in_part() -> None:
    position = Position(stage=2, epoch=1, trained=1.0, reports=3, macs=10.0)
    position.end_epoch(4, 0.25, 8.0)
    assert position == Position(stage=2, epoch=5, trained=1.25, reports=4, macs=12.0)


def test_the_seed_alone_decides_the_network(tmp_path: Path) -> None:
    first, again = a_trial(tmp_path), a_trial(tmp_path)
    other = LiveTrial(replace(first.spec, seed=1), first.dataset, first.context)
    weights, same, different = (torch.cat([p.flatten() for p in t.model.parameters()]) for t in (first, again, other))
    assert torch.equal(weights, same)
    assert not torch.equal(weights, different)


def test_looking_at_the_first_batch_for_the_precision_costs_no_random_number(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    before = trial.generator.get_state()
    images, labels = trial._first_batch()
    assert torch.equal(trial.generator.get_state(), before)
    following = next(iter(trial.batches()))
    assert torch.equal(images, following[0])
    assert torch.equal(labels, following[1])


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_network_lies_in_the_layout_of_its_images(channels_last: bool, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, channels_last=channels_last)
    images, _ = next(iter(trial.batches()))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert images.is_contiguous(memory_format=layout)
    assert trial.model.get_parameter("conv2.weight").is_contiguous(memory_format=layout)


def test_single_weights_and_filters_are_masked_together(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(0.5, granularity="filter"))
    plan, by_filter = trial.plan, copied(trial.masks.items())
    weights = prunable_weights(trial.model)
    by_weight = {name: (torch.arange(w.numel()).view(w.shape) % 3 > 0).float() for name, w in weights.items()}
    trial.mask_weights(by_weight)
    assert trial.plan is plan
    for name, mask in trial.masks.items().items():
        assert torch.equal(mask, by_filter.get(name, torch.ones(())) * by_weight.get(name, torch.ones(())))
        assert not dict(trial.model.named_parameters())[name][mask == 0].any()


def test_masks_hold_on_weights_that_the_network_is_given(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(0.3))
    before = alive(trial)
    trial.model.load_state_dict(trial.build().state_dict())
    assert alive(trial) != before
    trial.remask()
    assert alive(trial) == before


def test_a_smaller_network_keeps_its_masked_weights_and_forgets_its_groups(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(0.4))
    prune(trial, Prune(0.5, granularity="filter"))
    groups = trial.groups
    smaller = copy.deepcopy(trial.model)
    remove(smaller, trial.plan)
    zeros = {name: int((weight == 0).sum()) for name, weight in prunable_weights(smaller).items()}
    trial.replace_model(smaller)
    assert {name: int((mask == 0).sum()) for name, mask in trial.weight_masks.items()} == zeros
    assert not trial.plan
    assert trial.groups is not groups
    assert sum(group.size for group in trial.groups) < sum(group.size for group in groups)


def test_a_snapshot_is_a_copy(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.take_snapshot()
    with torch.no_grad():
        trial.model.get_parameter("fc.weight").zero_()
    assert trial.snapshot is not None
    assert trial.snapshot["fc.weight"].any()


def test_a_stage_ends_without_its_optimizer_and_companion(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    trial.position.epoch, trial.interrupted, trial.companion = 3, {"optimizer": None}, Companions()
    trial.end_stage()
    assert (trial.position.stage, trial.position.epoch) == (1, 0)
    left = vars(trial)
    assert (left["optimizer"], left["interrupted"], type(left["companion"])) == (None, None, Companion)


def test_what_is_masked_costs_nothing(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp")
    dense = trial.cost()
    masks = {name: torch.zeros_like(weight) for name, weight in prunable_weights(trial.model).items()}
    trial.mask_weights(masks)
    assert (dense.macs, trial.cost().macs) == (64 * 300 + 300 * 100 + 100 * 10, 0)

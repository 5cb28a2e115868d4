"""A trial in progress: its network, its masks, and how far it is."""

import copy
import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial, alive, copied
from trainables.errors import InvalidValue
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune
from trainables.spec import CorruptionSpec, ModelSpec
from trainables.state import LiveTrial, Position
from trainables.structure.removal import remove
from trainables.training.companion import Companion, Companions
from trainables.training.optimizers import optimizer_for


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


@pytest.mark.parametrize("share", [0.001, 0.1, 0.37, 0.9])
def test_images_held_out_are_a_fixed_share_of_every_class_and_at_least_two(tmp_path: Path, share: float) -> None:
    trial = a_trial(tmp_path)
    stay, held = trial.divided(share)
    count = len(trial.dataset.train)
    assert torch.equal(torch.cat([stay, held]).sort().values, torch.arange(count))
    assert len(held) == max(2, round(share * count))
    labels = trial.dataset.train.labels
    expected = labels.bincount(minlength=10) * len(held) / count
    assert ((labels[held].bincount(minlength=10) - expected).abs() < 1).all()
    assert all(map(torch.equal, trial.divided(share), (stay, held)))


def test_which_images_are_held_out_follows_from_the_seed_of_the_split(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    for changed, same in (
        (replace(trial.spec, seed=7), True),
        (replace(trial.spec, data=replace(trial.spec.data, split_seed=7)), False),
    ):
        other = LiveTrial(changed, trial.dataset, trial.context)
        assert torch.equal(other.divided(0.2)[1], trial.divided(0.2)[1]) is same


def test_batches_are_without_the_images_held_out(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, augment=False)
    stay, held = trial.divided(0.25)
    drawn = torch.cat([images for images, _ in trial.batches(0.25)])
    normal = (trial.dataset.train.images / 255 - trial.dataset.mean[0]) / trial.dataset.std[0]
    of_batches = {image.contiguous().numpy().round(3).tobytes() for image in drawn}
    assert len(drawn) == len(stay)
    assert of_batches <= {image.numpy().round(3).tobytes() for image in normal[stay]}
    assert len(torch.cat([images for images, _ in trial.batches()])) == len(stay) + len(held)


def test_two_rounds_of_batches_are_drawn_from_one_stream_of_numbers(tmp_path: Path) -> None:
    one, other = a_trial(tmp_path), a_trial(tmp_path)
    first, second = ([labels for _, labels in one.batches()] for _ in range(2))
    again = [[labels for _, labels in other.batches()] for _ in range(2)]
    assert all(map(torch.equal, first, again[0]))
    assert all(map(torch.equal, second, again[1]))
    assert not all(map(torch.equal, first, second))


def test_training_images_are_corrupted_where_the_data_say_so(tmp_path: Path) -> None:
    plain = a_trial(tmp_path, augment=False)
    corrupted = replace(plain.spec.data, corruptions=CorruptionSpec(kinds=("gaussian_noise",), share=1.0))
    noisy = LiveTrial(replace(plain.spec, data=corrupted), plain.dataset, plain.context)
    (images, labels), (others, same) = next(iter(plain.batches())), next(iter(noisy.batches()))
    assert torch.equal(labels, same)
    assert (images != others).flatten(1).any(1).all()


def test_the_dense_trial_has_fresh_weights_of_the_same_seed_and_draws_nothing(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    fresh = copied(trial.model.state_dict())
    prune(trial, Prune(0.1))
    random = torch.get_rng_state()
    dense = trial.dense()
    assert torch.equal(torch.get_rng_state(), random)
    assert dense is not trial
    assert all(torch.equal(value, fresh[name]) for name, value in dense.model.state_dict().items())
    assert (dense.masks.items(), dense.weight_masks, dense.spec.model.weights) == ({}, {}, None)


def test_every_build_of_the_network_draws_other_weights_until_the_seed_is_set_again(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp")
    torch.manual_seed(trial.spec.seed)
    first, second = (next(iter(trial.build_start().parameters())) for _ in range(2))
    assert torch.equal(first, next(iter(trial.model.parameters())))
    assert not torch.equal(first, second)
    assert not trial.starts_smaller


@pytest.mark.parametrize("scaling", ["none", "architecture_aware"])
def test_first_weights_are_scaled_by_the_architecture_where_that_is_asked(tmp_path: Path, scaling: str) -> None:
    trial, plain = a_trial(tmp_path, "mlp", scaling=scaling), a_trial(tmp_path, "mlp")
    pairs = zip(trial.model.parameters(), plain.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs) is (scaling == "none")


def weights_from(folder: Path, trial: LiveTrial, model: ModelSpec) -> LiveTrial:
    """Save the weights of a trial, and return a trial of `model` that starts from them."""
    file = folder / "weights.pt"
    torch.save(trial.model.state_dict(), file)
    return LiveTrial(replace(trial.spec, model=replace(model, weights=str(file))), trial.dataset, trial.context)


def test_a_trial_starts_from_the_weights_that_it_names(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = a_trial(tmp_path)
    with torch.no_grad():
        for weight in trained.model.parameters():
            weight.add_(1.0)
    trial = weights_from(tmp_path, trained, trained.spec.model)
    with caplog.at_level(logging.INFO):
        trial.adopt_weights()
    assert all(torch.equal(value, trained.model.state_dict()[name]) for name, value in trial.model.state_dict().items())
    assert not caplog.records


def test_a_head_of_other_classes_begins_untrained_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trained = a_trial(tmp_path)
    state = trained.model.state_dict()
    smaller = {name: value[:3] if name.startswith("fc.") else value + 1 for name, value in state.items()}
    torch.save(smaller, tmp_path / "three.pt")
    spec = replace(trained.spec, model=replace(trained.spec.model, weights=str(tmp_path / "three.pt")))
    trial = LiveTrial(spec, trained.dataset, trained.context)
    with caplog.at_level(logging.INFO):
        trial.adopt_weights()
    assert torch.equal(trial.model.get_parameter("fc.weight"), state["fc.weight"])
    assert torch.equal(trial.model.get_parameter("conv2.weight"), state["conv2.weight"] + 1)
    (said,) = caplog.messages
    assert said.startswith("the head (fc")
    assert said.endswith("three.pt: it begins untrained")


def test_weights_of_another_network_are_refused_before_anything_is_changed(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="does not belong to this network"):
        weights_from(tmp_path, a_trial(tmp_path, "mlp"), ModelSpec(name="digits_cnn")).adopt_weights()


@pytest.mark.parametrize(("asked", "chosen"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_precision_that_is_asked_for_is_taken_without_a_look_at_the_data(
    tmp_path: Path, asked: str, chosen: torch.dtype
) -> None:
    trial = a_trial(tmp_path, precision=asked)
    before = trial.generator.get_state()
    assert trial.precision == chosen
    assert torch.equal(trial.generator.get_state(), before)


def test_a_precision_once_chosen_stays(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, precision="float32")
    trial.chosen_precision = torch.bfloat16
    assert trial.precision == torch.bfloat16


def test_groups_and_blocks_are_those_that_masked_filters_came_from(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    groups, blocks = trial.groups, trial.blocks
    prune(trial, Prune(0.5, granularity="layer"))
    prune(trial, Prune(0.5, granularity="filter"))
    assert [group.size for group in trial.groups] == [group.size for group in groups]
    assert trial.blocks == blocks
    assert set(trial.plan.dropped_blocks) < set(blocks)


def test_a_network_of_another_shape_remembers_the_blocks_that_went_at_each_removal(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    gone: tuple[str, ...] = ()
    for density in (0.7, 0.5):
        blocks = trial.blocks
        prune(trial, Prune(density, granularity="layer"))
        gone += trial.plan.dropped_blocks
        smaller = copy.deepcopy(trial.model)
        remove(smaller, trial.plan)
        trial.replace_model(smaller)
        assert trial.dropped == gone
        assert set(trial.blocks) == set(blocks) - set(gone)
    assert len(set(gone)) == len(gone) > 2


def test_a_mask_makes_momentum_forget_what_it_hides(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp")
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    trial.model(torch.randn(8, 1, 8, 8)).square().sum().backward()
    trial.optimizer.step()
    weights = prunable_weights(trial.model)
    masks = {name: (torch.arange(w.numel()).view(w.shape) % 2).float() for name, w in weights.items()}
    trial.mask_weights(masks)
    for name, weight in weights.items():
        buffer = trial.optimizer.state[weight]["momentum_buffer"]
        assert not buffer[masks[name] == 0].any()
        assert buffer[masks[name] == 1].any()

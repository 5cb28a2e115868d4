import copy
import json
from collections.abc import Callable, Mapping
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD, AdamW, Optimizer

from tests.trainables.networks import SHAPES, build, images
from trainables.models.shortcut import Shortcut
from trainables.structure.blocks import residual_blocks
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.complexity import effective, measure
from trainables.structure.removal import RemovalPlan, disagreement, mask, plan_removal, rebuild, remove


@cache
def dense(name: str) -> nn.Module:
    """A network that the tests copy and never change."""
    return build(name).eval()


@cache
def groups_of(name: str) -> tuple[ChannelGroup, ...]:
    return find_groups(dense(name), SHAPES[name])


def random_plan(
    name: str, *, stream: bool = True, blocks: bool = False, share: float = 0.4, seed: int = 0
) -> RemovalPlan:
    """Plan to remove about that share of the channels of every group, but never a whole one."""
    generator = torch.Generator().manual_seed(seed)
    chosen = [group for group in groups_of(name) if stream or not group.coupled]
    keep = {group.name: torch.rand(group.size, generator=generator) > share for group in chosen}
    for kept in keep.values():
        kept[len(kept) // 2] = True
    return plan_removal(chosen, keep, residual_blocks(dense(name))[1::2] if blocks else ())


def masked_and_removed(name: str, plan: RemovalPlan) -> tuple[nn.Module, nn.Module, Mapping[str, Tensor]]:
    masked, removed = copy.deepcopy(dense(name)), copy.deepcopy(dense(name))
    masks = mask(masked, plan)
    remove(removed, plan)
    return masked, removed, masks


def difference(name: str, one: nn.Module, other: nn.Module) -> float:
    return disagreement(one, other, SHAPES[name], generator=torch.Generator().manual_seed(1))


def assert_masked_equals_removed(name: str, plan: RemovalPlan) -> None:
    masked, removed, masks = masked_and_removed(name, plan)
    assert difference(name, masked, removed) < 1e-5
    assert difference(name, dense(name), removed) > 1e-3, "removal changed nothing; the comparison says nothing"
    physical, counted = measure(removed, SHAPES[name]), effective(masked, SHAPES[name], masks)
    assert (counted.macs, counted.params, counted.bytes) == (physical.macs, physical.params, physical.bytes)
    assert physical.macs < measure(dense(name), SHAPES[name]).macs


@pytest.mark.parametrize("name", SHAPES)
def test_a_masked_network_computes_and_costs_what_the_removed_one_does(name: str) -> None:
    assert_masked_equals_removed(name, random_plan(name))


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "torchvision/resnet18"])
def test_the_same_holds_when_residual_streams_stay_whole(name: str) -> None:
    assert_masked_equals_removed(name, random_plan(name, stream=False))


@pytest.mark.parametrize("name", ["resnet56", "mobilenet_v2", "torchvision/resnet18", "torchvision/mobilenet_v3_small"])
def test_the_same_holds_when_blocks_are_dropped_as_well(name: str) -> None:
    assert_masked_equals_removed(name, random_plan(name, blocks=True))


@pytest.mark.parametrize("group", groups_of("resnet20"), ids=lambda group: group.name)
def test_the_same_holds_for_every_group_alone(group: ChannelGroup) -> None:
    keep = torch.arange(group.size) % 3 > 0
    assert_masked_equals_removed("resnet20", plan_removal([group], {group.name: keep}))


@pytest.mark.parametrize("name", ["digits_cnn", "resnet20", "mobilenet_v2"])
def test_one_channel_per_group_is_enough(name: str) -> None:
    assert_masked_equals_removed(name, random_plan(name, share=1.0))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_choice_of_channels_can_be_removed(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["mlp", "lenet", "digits_cnn"]))
    keep = {
        group.name: torch.tensor(
            data.draw(st.lists(st.booleans(), min_size=group.size, max_size=group.size).filter(any), label=group.name)
        )
        for group in groups_of(name)
        if group.size <= 100
    }
    plan = plan_removal(groups_of(name), keep)
    masked, removed, masks = masked_and_removed(name, plan)
    assert difference(name, masked, removed) < 1e-5
    assert effective(masked, SHAPES[name], masks).macs == measure(removed, SHAPES[name]).macs
    sizes = {group.name: len(removed.get_parameter(f"{group.name}.weight")) for group in groups_of(name)}
    assert all(sizes[name] == int(kept.sum()) for name, kept in keep.items())


def test_a_removed_network_can_be_pruned_again() -> None:
    _, once, _ = masked_and_removed("resnet20", random_plan("resnet20", blocks=True))
    groups = find_groups(once, SHAPES["resnet20"])
    plan = plan_removal(groups, {group.name: torch.arange(group.size) % 2 == 0 for group in groups})
    masked, twice = copy.deepcopy(once), copy.deepcopy(once)
    mask(masked, plan)
    remove(twice, plan)
    assert difference("resnet20", masked, twice) < 1e-5 < difference("resnet20", once, twice)


def test_masks_are_zeros_and_ones_where_the_masked_network_is_zero() -> None:
    plan = random_plan("resnet20", blocks=True)
    masked, _, masks = masked_and_removed("resnet20", plan)
    parameters = dict(masked.named_parameters())
    for name, own in masks.items():
        assert own.shape == parameters[name].shape
        assert not own.requires_grad
        assert ((own == 0) | (own == 1)).all()
        assert not parameters[name][own == 0].any()
    untouched = dict(dense("resnet20").named_parameters())
    for name, parameter in parameters.items():
        kept = masks[name] == 1 if name in masks else ...
        assert torch.equal(parameter[kept], untouched[name][kept])


def test_masking_twice_is_masking_once() -> None:
    plan = random_plan("resnet20")
    once, _, _ = masked_and_removed("resnet20", plan)
    twice = copy.deepcopy(once)
    mask(twice, plan)
    assert all(map(torch.equal, once.state_dict().values(), twice.state_dict().values()))


def test_masking_a_weight_that_is_not_a_number_makes_it_zero() -> None:
    plan = random_plan("digits_cnn")
    broken = copy.deepcopy(dense("digits_cnn"))
    with torch.no_grad():
        broken.get_parameter("conv1.weight")[list(plan.outputs["conv1"])] = torch.nan
    mask(broken, plan)
    assert not broken.get_parameter("conv1.weight").isnan().any()


def test_removal_keeps_types_layouts_gradients_and_what_is_frozen() -> None:
    model = copy.deepcopy(dense("digits_cnn")).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.get_submodule("bn1").requires_grad_(False)
    model(images((1, 8, 8))).sum().backward()
    plan = random_plan("digits_cnn")
    gradient = model.get_parameter("conv2.weight").grad
    remove(model, plan)
    weight = model.get_parameter("conv2.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.requires_grad
    assert not model.get_parameter("bn1.weight").requires_grad
    kept = [i for i in range(32) if i not in plan.outputs["conv2"]]
    read = [i for i in range(32) if i not in plan.inputs["conv2"]]
    assert gradient is not None
    assert weight.grad is not None
    assert torch.equal(weight.grad, gradient[kept][:, read])


OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "sgd": lambda m: SGD(m.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
    "adamw": lambda m: AdamW(m.parameters(), lr=1e-3),
}


def train(model: nn.Module, optimizer: Optimizer, steps: range, masks: Mapping[str, Tensor] | None = None) -> None:
    parameters = dict(model.named_parameters())
    for step in steps:
        x = images(SHAPES["resnet20"], count=8, seed=step).double()
        optimizer.zero_grad()
        F.cross_entropy(model(x), torch.arange(8)).backward()
        optimizer.step()
        with torch.no_grad():
            for name, own in (masks or {}).items():
                parameters[name].mul_(own)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_training_goes_on_after_removal_as_it_would_have_under_the_mask(kind: str, blocks: bool) -> None:
    plan = random_plan("resnet20", blocks=blocks)
    masked = copy.deepcopy(dense("resnet20")).double().train()
    optimizer = OPTIMIZERS[kind](masked)
    train(masked, optimizer, range(3))
    masks = mask(masked, plan)
    removed, its_optimizer = copy.deepcopy((masked, optimizer))
    remove(removed, plan, its_optimizer)
    train(masked, optimizer, range(3, 8), masks)
    train(removed, its_optimizer, range(3, 8))
    before = copy.deepcopy(removed.state_dict())
    remove(masked, plan)
    expected = masked.state_dict()
    assert before.keys() == expected.keys()
    for name, tensor in before.items():
        assert torch.allclose(tensor, expected[name], rtol=0, atol=1e-10), name


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_optimizer_knows_the_removed_networks_parameters_and_no_others(kind: str) -> None:
    model = copy.deepcopy(dense("resnet20")).double().train()
    optimizer = OPTIMIZERS[kind](model)
    train(model, optimizer, range(1))
    remove(model, random_plan("resnet20", blocks=True), optimizer)
    parameters = list(model.parameters())
    assert [p for group in optimizer.param_groups for p in group["params"]] == parameters
    assert set(optimizer.state) == set(parameters)
    for parameter, state in optimizer.state.items():
        assert all(value.shape in (parameter.shape, ()) for value in state.values() if isinstance(value, Tensor))


@pytest.mark.parametrize("name", ["digits_cnn", "resnet20", "resnet56", "mobilenet_v2", "torchvision/resnet18"])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_dense_network_is_rebuilt_from_the_shapes_of_a_removed_ones_state(name: str, blocks: bool) -> None:
    plan = random_plan(name, blocks=blocks)
    _, removed, _ = masked_and_removed(name, plan)
    fresh = build(name, seed=1).eval()
    rebuild(fresh, removed.state_dict(), plan.dropped_blocks)
    assert repr(fresh) == repr(removed)
    x = images(SHAPES[name])
    assert torch.equal(fresh(x), removed(x))


def test_an_optimizers_state_fits_the_rebuilt_network() -> None:
    model = copy.deepcopy(dense("resnet20")).double().train()
    optimizer = OPTIMIZERS["sgd"](model)
    train(model, optimizer, range(2))
    remove(model, random_plan("resnet20"), optimizer)
    fresh = build("resnet20", seed=1).double()
    rebuild(fresh, model.state_dict())
    its_optimizer = OPTIMIZERS["sgd"](fresh)
    its_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(model, optimizer, range(2, 4))
    train(fresh, its_optimizer, range(2, 4))
    assert all(map(torch.equal, model.state_dict().values(), fresh.state_dict().values()))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("conv1.weight", torch.zeros(33, 1, 3, 3), r"conv1\.weight has shape \(33, 1, 3, 3\)"),
        ("conv1.weight", torch.zeros(0, 1, 3, 3), r"conv1\.weight has shape \(0, 1, 3, 3\)"),
        ("conv1.weight", torch.zeros(32), r"conv1\.weight has shape \(32,\)"),
        ("conv9.weight", torch.zeros(1), r"conv9\.weight"),
        ("conv1.weight", None, r"conv1\.weight"),
    ],
)
def test_a_state_that_no_removal_can_have_made_is_refused_and_nothing_changed(
    name: str, tensor: Tensor, message: str
) -> None:
    model = copy.deepcopy(dense("digits_cnn"))
    before = repr(model)
    state = {n: t for n, t in model.state_dict().items() if n != name} | ({} if tensor is None else {name: tensor})
    with pytest.raises(ValueError, match=message):
        rebuild(model, state)
    assert repr(model) == before
    assert all(map(torch.equal, model.state_dict().values(), dense("digits_cnn").state_dict().values()))


def test_an_empty_plan_is_false_and_changes_nothing() -> None:
    everything = {group.name: torch.ones(group.size, dtype=torch.bool) for group in groups_of("resnet20")}
    plan = plan_removal(groups_of("resnet20"), everything)
    assert plan == RemovalPlan()
    assert not plan
    masked, removed, masks = masked_and_removed("resnet20", plan)
    assert not masks
    x = images(SHAPES["resnet20"])
    assert torch.equal(masked(x), dense("resnet20")(x))
    assert torch.equal(removed(x), dense("resnet20")(x))


@pytest.mark.parametrize("name", ["lenet", "resnet20"])
def test_a_plan_survives_json(name: str) -> None:
    plan = random_plan(name, blocks=True)
    assert plan
    assert RemovalPlan.from_json(json.loads(json.dumps(plan.as_json()))) == plan


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"conv1": torch.zeros(32, dtype=torch.bool)}, "conv1: at least one of its 32 channels must stay"),
        ({"conv1": torch.ones(31, dtype=torch.bool)}, "conv1"),
        ({"conv9": torch.ones(32, dtype=torch.bool)}, "conv9"),
    ],
)
def test_a_choice_that_cannot_be_carried_out_is_refused(keep: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_removal(groups_of("digits_cnn"), keep)


def test_disagreement_notices_one_wrong_row_of_weights_and_a_logit_that_is_not_a_number() -> None:
    right, wrong, broken = (copy.deepcopy(dense("digits_cnn")) for _ in range(3))
    with torch.no_grad():
        wrong.get_parameter("fc.weight")[0] += 0.001
        broken.get_parameter("fc.bias")[0] = torch.nan
    assert difference("digits_cnn", right, copy.deepcopy(right)) == 0
    assert difference("digits_cnn", right, wrong) > 1e-4
    assert difference("digits_cnn", right, broken) == torch.inf
    assert difference("digits_cnn", broken, broken) == torch.inf


def test_disagreement_is_measured_in_evaluation_mode_and_leaves_the_networks_alone() -> None:
    one, other = (copy.deepcopy(dense("digits_cnn")).train() for _ in range(2))
    other.eval()
    assert difference("digits_cnn", one, other) == 0
    assert (one.training, other.training) == (True, False)
    assert all(map(torch.equal, one.state_dict().values(), dense("digits_cnn").state_dict().values()))


@given(outputs=st.sets(st.integers(0, 11)), inputs=st.sets(st.integers(0, 5)))
def test_a_shrunk_shortcut_computes_what_a_silenced_one_does(outputs: set[int], inputs: set[int]) -> None:
    x = torch.randn(1, 6, 2, 2)
    kept = [i for i in range(12) if i not in outputs]
    read = [i for i in range(6) if i not in inputs]
    silenced, shrunk = Shortcut(6, 12, 2), Shortcut(6, 12, 2)
    indices = torch.tensor(sorted(outputs), dtype=torch.long), torch.tensor(sorted(inputs), dtype=torch.long)
    silenced.silence(*indices)
    shrunk.shrink(*indices)
    assert torch.equal(silenced(x)[:, kept], shrunk(x[:, read]))
    assert not silenced(x)[:, sorted(outputs)].any()

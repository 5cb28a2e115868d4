import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.gated_networks import GATED, PLACED, SHAPE, corner, dense, gated_network, removed, structures
from trainables.gates.gates import Gates, draw
from trainables.structure.removal import disagreement


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_gated_network_computes_what_the_removed_one_does(name: str, seed: int) -> None:
    kept = corner(name, seed)
    gated = copy.deepcopy(dense(name))
    Gates(gated, structures(name)).round(kept)
    generator = torch.Generator().manual_seed(0)
    assert disagreement(gated, removed(name, kept), SHAPE[name], generator=generator) < 1e-5
    generator = torch.Generator().manual_seed(0)
    assert disagreement(gated, dense(name), SHAPE[name], generator=generator) > 1e-3, "the gates do nothing"


@pytest.mark.parametrize("name", PLACED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_wherever_gates_are_placed_closed_ones_compute_what_the_removed_network_does_to_rounding(
    name: str, seed: int
) -> None:
    kept = corner(name, seed)
    closed, smaller = copy.deepcopy(dense(name)).double(), removed(name, kept).double()
    inputs = images(name).double()
    with torch.no_grad():
        before, expected = closed(inputs), smaller(inputs)
        Gates(closed, structures(name)).round(kept)
        actual = closed(inputs)
    assert float((actual - expected).abs().max()) <= 1e-13 * float(expected.abs().max())
    assert not torch.allclose(expected, before, rtol=1e-4), "the gates do nothing"


@pytest.mark.parametrize("name", PLACED)
def test_held_gates_of_one_change_no_bit(name: str) -> None:
    network = gated_network(name).double().train()
    for module in network.modules():
        module.training = not isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout)
    before = network(images(name).double())
    found = structures(name)
    Gates(network, found).hold(torch.ones(3, found.units + len(found.branches)))
    assert torch.equal(network(images(name).double()), before)


def images(name: str, count: int = 3) -> torch.Tensor:
    return torch.randn(count, *SHAPE[name], generator=torch.Generator().manual_seed(1))


def test_open_gates_change_no_bit_and_removed_ones_leave_no_trace() -> None:
    gated = copy.deepcopy(dense("resnet20"))
    before = gated(images("resnet20"))
    gates = Gates(gated, structures("resnet20"))
    assert torch.equal(gated(images("resnet20")), before)
    gates.round(corner("resnet20", 1))
    assert not torch.equal(gated(images("resnet20")), before)
    gates.remove()
    assert torch.equal(gated(images("resnet20")), before)


def test_sampled_gates_hold_in_training_only() -> None:
    gated = copy.deepcopy(dense("resnet20"))
    found = structures("resnet20")
    before = gated(images("resnet20"))
    gates = Gates(gated, found)
    gates.hold(torch.zeros(3, found.units + len(found.branches)))
    assert torch.equal(gated(images("resnet20")), before)
    zeros = [parameter for name, parameter in gated.named_parameters() if name.startswith("layer2")]
    gated.train()
    gated(images("resnet20")).sum().backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in zeros)


@pytest.mark.parametrize("name", ["lenet", "digits_cnn", "resnet20", "vit", *PLACED])
def test_every_image_has_gates_of_its_own(name: str) -> None:
    model = gated_network(name).eval()
    found = structures(name)
    gates = Gates(model, found)
    inputs = images(name, 2)
    masks = torch.stack([torch.cat(corner(name, seed)).float() for seed in (1, 2)])
    for module in model.modules():
        module.training = not isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout)
    gates.hold(masks)
    together = model(inputs)
    for index in range(2):
        gates.hold(masks[index : index + 1])
        assert torch.allclose(model(inputs[index : index + 1]), together[index : index + 1], atol=1e-4)


@pytest.mark.parametrize("name", ["mlp", "lenet", "digits_cnn", "resnet20", "vit", *PLACED])
def test_the_slope_in_a_gate_is_that_of_the_loss(name: str) -> None:
    model = gated_network(name).double().eval()
    gates = Gates(model, structures(name))
    for module in model.modules():
        module.training = not isinstance(module, torch.nn.BatchNorm2d | torch.nn.Dropout)
    inputs = images(name).double()
    masks = torch.full((1, structures(name).units + len(structures(name).branches)), 0.7, dtype=torch.float64)
    masks.requires_grad_()
    gates.hold(masks)
    model(inputs).square().mean().backward()
    assert masks.grad is not None
    for index in (0, masks.shape[1] // 2, masks.shape[1] - 1):
        values = []
        for step in (1e-6, -1e-6):
            moved = masks.detach().clone()
            moved[0, index] += step
            gates.hold(moved)
            values.append(float(model(inputs).square().mean().detach()))
        assert float(masks.grad[0, index]) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4, abs=1e-7)


def test_masks_take_the_type_of_what_they_scale() -> None:
    model = gated_network("digits_cnn").to(torch.bfloat16)
    gates = Gates(model, structures("digits_cnn"))
    gates.hold(torch.ones(3, structures("digits_cnn").units))
    assert model.train()(images("digits_cnn").to(torch.bfloat16)).dtype == torch.bfloat16


@given(st.floats(0.01, 0.99), st.floats(0.05, 1), st.booleans())
def test_drawn_gates_have_the_stated_expectation(theta: float, share: float, rounded: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    masks = draw(torch.tensor([theta]), torch.tensor([rounded]), 20_000, share, generator)
    assert set(masks.unique().tolist()) <= {0.0, 1.0}
    assert float(masks.mean()) == pytest.approx(share * theta + (1 - share) * rounded, abs=0.015)


def test_steady_gates_have_another_pattern_once_and_change_no_bit() -> None:
    """What was captured of a network is void with each new pattern, and gates close one layer after another."""
    found, gated = structures("resnet20"), copy.deepcopy(dense("resnet20"))
    patterns: dict[bool, list[object]] = {}
    outputs: dict[bool, list[torch.Tensor]] = {}
    for steady in (False, True):
        gates = Gates(gated, found, steady=steady)
        kept = torch.ones(found.units, dtype=torch.bool), torch.ones(len(found.branches), dtype=torch.bool)
        patterns[steady], outputs[steady] = [gates.pattern], [gated(images("resnet20"))]
        for part in found.slices()[:3]:
            kept[0][part.start] = False
            gates.round(kept)
            patterns[steady].append(gates.pattern)
            outputs[steady].append(gated(images("resnet20")))
        kept[0][:] = True
        gates.round(kept)
        patterns[steady].append(gates.pattern)
        outputs[steady].append(gated(images("resnet20")))
        gates.remove()
    assert len(set(patterns[False])) > len(set(patterns[True])) == 2
    assert all(map(torch.equal, *outputs.values()))
    assert not torch.equal(outputs[True][0], outputs[True][1])

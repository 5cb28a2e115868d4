import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainables.gated_networks import GATED, SHAPE, corner, dense, removed, structures
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.objective import Balance, Regulariser
from trainables.gates.structures import Structures
from trainables.structure.complexity import measure

SMALL = ("mlp", "lenet", "digits_cnn", "resnet20")
share = st.floats(0, 1)


def expected(name: str) -> ExpectedComplexity:
    return ExpectedComplexity.of(dense(name), SHAPE[name], structures(name))


def ones(name: str) -> tuple[Tensor, Tensor]:
    found = structures(name)
    return torch.ones(found.units, dtype=torch.float64), torch.ones(len(found.branches), dtype=torch.float64)


def probabilities(name: str, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    units, branches = (torch.rand(len(one), generator=generator, dtype=torch.float64) for one in ones(name))
    return units.requires_grad_(), branches.requires_grad_()


def regulariser(name: str, balance: Balance) -> Regulariser:
    costs = expected(name)
    macs, params = (float(value) for value in costs(*ones(name)))
    none = torch.zeros(costs.branches, dtype=torch.float64)
    whole = Regulariser(costs, Balance(1.0, 0.5, balance.alpha), macs, params, none).per_branch(ones(name)[0])
    return Regulariser(costs, balance, macs, params, whole)


@pytest.mark.parametrize("name", GATED)
@pytest.mark.parametrize("seed", [0, 1])
def test_expected_complexity_is_the_counted_one_at_a_corner(name: str, seed: int) -> None:
    kept = corner(name, seed)
    assert_counted(name, kept)


@given(st.sampled_from(SMALL), st.integers(2, 10_000))
@settings(max_examples=40, deadline=None)
def test_expected_complexity_is_the_counted_one_at_random_corners(name: str, seed: int) -> None:
    assert_counted(name, corner(name, seed))


def assert_counted(name: str, kept: tuple[Tensor, Tensor]) -> None:
    counted = measure(removed(name, kept), SHAPE[name])
    macs, params = expected(name)(kept[0].double(), kept[1].double())
    assert (float(macs), float(params)) == pytest.approx((counted.macs, counted.params), rel=1e-12)
    at_corner = expected(name).at(*kept)
    assert (at_corner.macs, at_corner.params, at_corner.bytes) == (counted.macs, counted.params, counted.bytes)


@given(st.sampled_from(SMALL), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_expectation_is_affine_in_every_probability(name: str, seed: int) -> None:
    with torch.no_grad():
        units, branches = probabilities(name, seed)
        for theta in (units, branches):
            if len(theta):
                values = []
                for value in (0.0, 0.5, 1.0):
                    theta[seed % len(theta)] = value
                    values.append(torch.stack(expected(name)(units, branches)))
                assert torch.allclose(values[1], (values[0] + values[2]) / 2, rtol=1e-12)


@given(st.sampled_from(SMALL), st.integers(0, 1000), share, share)
@settings(max_examples=40, deadline=None)
def test_closed_form_prices_are_the_derivatives_of_the_regulariser(
    name: str, seed: int, beta: float, alpha: float
) -> None:
    own = regulariser(name, Balance(1.0, beta, alpha))
    theta = probabilities(name, seed)
    gradients = torch.autograd.grad(own(*theta), theta, allow_unused=True, materialize_grads=True)
    for slope, gradient in zip(own.slopes(*theta), gradients, strict=True):
        assert torch.allclose(slope, gradient, atol=1e-12)


@given(st.sampled_from(SMALL), share, share)
@settings(max_examples=40, deadline=None)
def test_the_unpruned_network_costs_the_same_whatever_the_balance(name: str, beta: float, alpha: float) -> None:
    assert float(regulariser(name, Balance(1.0, beta, alpha))(*ones(name))) == pytest.approx(1)


def test_beta_at_its_ends_prices_units_alone_and_layers_alone() -> None:
    theta = [part.detach() for part in probabilities("resnet20", 0)]
    units, branches = regulariser("resnet20", Balance(1.0, 0.0, 0.5)).slopes(theta[0], theta[1])
    assert (units > 0).all()
    assert not branches.any()
    units, branches = regulariser("resnet20", Balance(1.0, 1.0, 0.5)).slopes(theta[0], theta[1])
    assert not units.any()
    assert (branches > 0).all()


def test_alpha_prices_early_layers_by_their_macs_and_late_layers_by_their_parameters() -> None:
    by_macs = regulariser("resnet20", Balance(1.0, 0.5, 1.0)).slopes(*ones("resnet20"))[0]
    by_params = regulariser("resnet20", Balance(1.0, 0.5, 0.0)).slopes(*ones("resnet20"))[0]
    assert by_macs[0] > by_macs[-1]
    assert by_params[0] < by_params[-1]


def test_a_price_falls_when_the_neighbours_of_a_unit_disappear() -> None:
    own = regulariser("vgg16_bn", Balance(1.0, 0.5, 0.5))
    units, branches = ones("vgg16_bn")
    before = own.slopes(units, branches)[0][0]
    second = structures("vgg16_bn").slices()[1]
    units[second] = 0.5
    assert own.slopes(units, branches)[0][0] < before


def test_attention_counts_what_no_unit_changes() -> None:
    network = nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    costs = ExpectedComplexity.of(network, (6, 2, 4), Structures((), ()))
    counted = measure(network, (6, 2, 4))
    nothing = torch.zeros(0, dtype=torch.float64)
    assert tuple(float(cost) for cost in costs(nothing, nothing)) == (counted.macs, counted.params)

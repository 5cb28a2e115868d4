"""The price of complexity: balances of its parts, and the regulariser with its derivatives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainables.gated_networks import PLACED, expected, ones, probabilities, structures
from trainables.gates.objective import Balance, Regulariser

SMALL = ("mlp", "lenet", "digits_cnn", "resnet20", *PLACED)
share = st.floats(0, 1)


def regulariser(name: str, balance: Balance) -> Regulariser:
    costs = expected(name)
    macs, params = (float(value) for value in costs(*ones(name)))
    none = torch.zeros(costs.branches, dtype=torch.float64)
    whole = Regulariser(costs, Balance(1.0, 0.5, balance.alpha), macs, params, none).per_branch(ones(name)[0])
    return Regulariser(costs, balance, macs, params, whole)


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


@pytest.mark.parametrize("name", PLACED)
def test_slopes_of_the_expected_cost_are_its_differences_wherever_gates_are_placed(name: str) -> None:
    own = regulariser(name, Balance(1.0, 0.25, 0.5))
    theta = [part.detach() for part in probabilities(name, 3)]
    slopes = own.slopes(theta[0], theta[1])
    for part, slope in enumerate(slopes):
        for index in range(0, len(slope), max(1, len(slope) // 50)):
            ends = []
            for value in (1.0, 0.0):
                moved = [each.clone() for each in theta]
                moved[part][index] = value
                ends.append(float(own(moved[0], moved[1])))
            assert float(slope[index]) == pytest.approx(ends[0] - ends[1], abs=1e-10)


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


@given(share)
def test_the_three_weights_are_shares_of_one_and_meet_in_the_middle(beta: float) -> None:
    units, both, layers = Balance(1.0, beta, 0.5).weights
    assert units + both + layers == pytest.approx(1)
    assert min(units, both, layers) >= 0
    assert units == 0 or layers == 0


@pytest.mark.parametrize(
    ("beta", "weights"),
    [(0.0, (1, 0, 0)), (0.25, (0.5, 0.5, 0)), (0.5, (0, 1, 0)), (0.75, (0, 0.5, 0.5)), (1.0, (0, 0, 1))],
)
def test_beta_names_the_balance_of_units_and_layers(beta: float, weights: tuple[float, float, float]) -> None:
    assert Balance(1.0, beta, 0.5).weights == weights


@given(st.sampled_from(SMALL), st.integers(0, 1000), share)
@settings(max_examples=20, deadline=None)
def test_at_one_half_it_is_the_expected_share_of_the_dense_complexity(name: str, seed: int, alpha: float) -> None:
    theta = tuple(part.detach() for part in probabilities(name, seed))
    (macs, params), (dense_macs, dense_params) = expected(name)(*theta), expected(name)(*ones(name))
    share_left = alpha * macs / dense_macs + (1 - alpha) * params / dense_params
    assert float(regulariser(name, Balance(1.0, 0.5, alpha))(theta[0], theta[1])) == pytest.approx(float(share_left))


@given(st.sampled_from(SMALL), st.integers(0, 1000), share, share)
@settings(max_examples=20, deadline=None)
def test_it_rises_with_every_probability_and_never_leaves_the_unit_interval(
    name: str, seed: int, beta: float, alpha: float
) -> None:
    penalty = regulariser(name, Balance(1.0, beta, alpha))
    units, branches = (part.detach() for part in probabilities(name, seed))
    assert all((slope >= 0).all() for slope in penalty.slopes(units, branches))
    assert -1e-12 <= float(penalty(units, branches)) <= 1 + 1e-12


def test_without_a_unit_every_branch_costs_nothing() -> None:
    units, _ = ones("resnet20")
    assert not regulariser("resnet20", Balance(1.0, 0.5, 1.0)).per_branch(0 * units).any()

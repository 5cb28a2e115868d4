import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainables.gated_networks import GATED, PLACED, SHAPE, corner, expected, probabilities, removed
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.structures import Structures
from trainables.structure.complexity import measure

SMALL = ("mlp", "lenet", "digits_cnn", "resnet20", "vit", *PLACED)
share = st.floats(0, 1)


@pytest.mark.parametrize("name", [*GATED, *PLACED])
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


def test_attention_counts_what_no_unit_changes() -> None:
    network = nn.Sequential(nn.Flatten(2), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True))
    costs = ExpectedComplexity.of(network, (6, 2, 4), Structures((), ()))
    counted = measure(network, (6, 2, 4))
    nothing = torch.zeros(0, dtype=torch.float64)
    assert tuple(float(cost) for cost in costs(nothing, nothing)) == (counted.macs, counted.params)

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.gates.estimator import Differences, Slopes, batch_sums
from trainables.gates.gates import draw

slope = st.floats(-5, 5)


def estimate(estimator: str, first: float, second: float, theta: float) -> float:
    """Estimate the worth of one gate xi whose loss is first * xi + second * xi^2 / 2."""
    slopes = Slopes(1, decay=0.9, estimator=estimator)
    masks = draw(torch.tensor([theta]), torch.tensor([True]), 2000, 1.0, torch.Generator().manual_seed(0))
    slopes.add(batch_sums(masks, first + second * masks))
    return float(slopes.difference())


@given(slope, slope, st.floats(0.1, 0.9))
def test_the_trapezoid_is_exact_for_a_quadratic_loss(first: float, second: float, theta: float) -> None:
    assert estimate("trapezoid", first, second, theta) == pytest.approx(first + second / 2, abs=1e-5)


def test_taylor_misses_the_worth_of_a_structure_for_which_the_weights_are_trained() -> None:
    useful_but_flat_at_one = {"first": -2.0, "second": 2.0, "theta": 0.9}
    assert estimate("trapezoid", **useful_but_flat_at_one) == pytest.approx(-1)
    assert estimate("taylor", **useful_but_flat_at_one) > -0.3


def test_sums_over_both_arms_are_of_examples_not_of_batches() -> None:
    slopes = Slopes(2, decay=0.5, estimator="trapezoid")
    masks = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    slopes.add(batch_sums(masks, torch.tensor([[1.0, 4.0], [3.0, 2.0], [6.0, 2.0]])))
    assert slopes.difference().tolist() == pytest.approx([0.5 * (2 + 6), 0.5 * (2 + 4)])


def test_measured_differences_are_averaged_and_the_unmeasured_is_held_invaluable() -> None:
    differences = Differences(3, decay=0.5)
    differences.update(1, -2.0)
    differences.update(1, -1.0)
    assert differences.difference().tolist() == pytest.approx([-torch.inf, -4 / 3, -torch.inf])


@pytest.mark.parametrize(
    "make", [lambda n: Slopes(n, decay=0.9, estimator="trapezoid"), lambda n: Differences(n, decay=0.9)]
)
def test_forgetting_keeps_the_others_and_a_saved_state_goes_on(make) -> None:  # type: ignore[no-untyped-def]
    before, after = make(3), make(2)
    if isinstance(before, Slopes):
        masks = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
        before.add(batch_sums(masks, torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])))
    else:
        for index in range(3):
            before.update(index, float(index))
    whole = before.difference()
    before.keep(torch.tensor([True, False, True]))
    after.load_state_dict(before.state_dict())
    assert torch.equal(after.difference(), whole[[0, 2]])

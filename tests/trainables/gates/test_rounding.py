import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainables.gated_networks import SHAPE, dense, structures
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.rounding import Kept, Rounding
from trainables.gates.structures import Structures

NAMES = ("digits_cnn", "resnet20", "vgg16_bn")


def ranks(found: Structures, seed: int) -> Kept:
    generator = torch.Generator().manual_seed(seed)
    units = torch.rand(found.units, generator=generator, dtype=torch.float64)
    return units, torch.rand(len(found.branches), generator=generator, dtype=torch.float64)


@given(st.sampled_from(NAMES), st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_what_stays_is_a_network(name: str, seed: int, threshold: float) -> None:
    found = structures(name)
    units, branches = ranks(found, seed)
    keep_units, keep_branches = Rounding(found).consistent(units, (units > threshold, branches > 0.5))
    for group, part in zip(found.groups, found.slices(), strict=True):
        there = group.branch < 0 or bool(keep_branches[group.branch])
        assert bool(keep_units[part].any()) == there
    again = Rounding(found).consistent(units, (keep_units, keep_branches))
    assert torch.equal(again[0], keep_units)
    assert torch.equal(again[1], keep_branches)


@given(st.sampled_from(NAMES), st.integers(0, 10_000), st.floats(0.3, 1))
@settings(max_examples=30, deadline=None)
def test_a_budget_is_met_within_two_percent_by_the_best_units(name: str, seed: int, share: float) -> None:
    found = structures(name)
    costs = ExpectedComplexity.of(dense(name), SHAPE[name], found)

    def cost(kept: Kept) -> float:
        return float(costs(kept[0].double(), kept[1].double())[0])

    units, branches = ranks(found, seed)
    everything = cost((units > -1, branches > -1))
    kept = Rounding(found).to_budget(units, branches, cost, share * everything)
    assert cost(kept) == pytest.approx(share * everything, rel=0.02)


def test_without_a_budget_the_threshold_is_a_half() -> None:
    found = structures("digits_cnn")
    units, branches = ranks(found, 0)
    assert torch.equal(Rounding(found).at_half(units, branches)[0], units > 0.5)


def test_branches_that_rank_above_a_half_stay_when_units_alone_meet_the_budget() -> None:
    found = structures("resnet20")
    units, _ = ranks(found, 0)
    branches = torch.tensor([0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.9])
    costs = ExpectedComplexity.of(dense("resnet20"), SHAPE["resnet20"], found)

    def cost(kept: Kept) -> float:
        return float(costs(kept[0].double(), kept[1].double())[0])

    everything = cost((units > -1, branches > -1))
    kept = Rounding(found).to_budget(units, branches, cost, 0.4 * everything)
    assert torch.equal(kept[1], branches > 0.5)


@given(st.sampled_from(NAMES), st.integers(0, 10_000), st.floats(0, 1), st.sampled_from((4, 8, 16)))
@settings(max_examples=40, deadline=None)
def test_layers_are_rounded_up_to_a_multiple_by_the_next_best(name: str, seed: int, threshold: float, to: int) -> None:
    found = structures(name)
    units, branches = ranks(found, seed)
    asked = units > threshold, branches > 0.5
    exact, _ = Rounding(found).consistent(units, asked)
    rounded, _ = Rounding(found, to).consistent(units, asked)
    for group, part in zip(found.groups, found.slices(), strict=True):
        before, after = int(exact[part].sum()), int(rounded[part].sum())
        assert after == min(group.size, -(-before // to) * to)
        assert bool(rounded[part][exact[part]].all())
        if 0 < after < group.size:
            assert units[part][rounded[part]].min() > units[part][~rounded[part]].max()


def test_a_budget_is_met_as_near_as_multiples_allow() -> None:
    found = structures("digits_cnn")
    costs = ExpectedComplexity.of(dense("digits_cnn"), SHAPE["digits_cnn"], found)

    def cost(kept: Kept) -> float:
        return float(costs(kept[0].double(), kept[1].double())[0])

    units, branches = ranks(found, 0)
    everything = cost((units > -1, branches > -1))
    kept = Rounding(found, 16).to_budget(units, branches, cost, 0.5 * everything)
    assert {int(kept[0][part].sum()) % 16 for part in found.slices()} == {0}
    assert cost(kept) == pytest.approx(0.5 * everything, rel=0.1)

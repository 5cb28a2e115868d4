"""Proposals of widths: within the budget, new, and better the more was measured."""

from functools import cache

import pytest

from tests.trainables.networks import SHAPES, build
from trainables.methods.width_proposals import Budget, Proposals
from trainables.structure.channels import find_groups
from trainables.structure.width_graph import WidthGraph
from trainables.structure.widths import Limits, WidthCosts, widths_of

NAME = "digits_cnn"
MACS = 400_000.0


@cache
def budget(macs: float = MACS) -> Budget:
    groups = find_groups(build(NAME), SHAPES[NAME])
    limits = {name: Limits(width // 4, width) for name, width in widths_of(groups).items()}
    return Budget(WidthCosts.of(build(NAME), SHAPES[NAME], groups), limits, macs)


def proposals(doubt: float = 0.5, macs: float = MACS) -> Proposals:
    graph = WidthGraph.of(build(NAME), SHAPES[NAME], find_groups(build(NAME), SHAPES[NAME]))
    return Proposals(graph, budget(macs), seed=3, doubt=doubt)


def score(widths: tuple[int, ...]) -> float:
    """Return what is known to be best with as many channels as can be in the last layer."""
    return widths[2] / 64


def test_random_networks_differ_and_use_up_the_budget_within_the_limits() -> None:
    first = proposals().first(30)
    assert len(set(first)) == 30
    for widths in first:
        assert 0.97 * MACS <= budget().costs.macs(budget().named(widths)) <= MACS
        assert all(limit.clip(w) == w for w, limit in zip(widths, budget().limits.values(), strict=True))


def test_what_is_proposed_is_new_and_better_than_chance_and_the_best_is_found() -> None:
    chooser = proposals()
    measured = {widths: score(widths) for widths in chooser.first(20)}
    chooser.learn(measured)
    promising = chooser.promising(measured, 5)
    assert len(set(promising)) == 5
    assert not measured.keys() & set(promising)
    assert min(map(score, promising)) > sorted(measured.values())[10]
    measured |= {widths: score(widths) for widths in promising}
    chooser.learn(measured)
    widths, expected = chooser.best(measured)
    assert score(widths) >= 0.98 * max(measured.values())
    assert expected == pytest.approx(score(widths), abs=0.1)


def test_where_there_are_few_networks_fewer_are_proposed() -> None:
    macs = budget().costs.macs({"conv1": 32, "conv2": 32, "conv3": 64})
    chooser = proposals(macs=macs)
    measured = {widths: score(widths) for widths in chooser.first(20)}
    assert [*measured] == [(32, 32, 64)]
    chooser.learn(measured)
    assert chooser.promising(measured, 5) == []
    assert chooser.best(measured)[0] == (32, 32, 64)

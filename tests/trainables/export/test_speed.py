"""Networks timed in turns, and widths that no processor fills its lanes with."""

import copy

import torch
from torch import Tensor, nn

from trainables.export.speed import RUNS, WARMUP, odd_widths, seconds


def test_runs_take_turns_on_the_same_batch() -> None:
    turns = []

    def run(name: str) -> Tensor:
        turns.append(name)
        return torch.zeros(1)

    times = seconds([lambda _: run("a"), lambda _: run("b")], torch.zeros(1))
    assert turns == ["a", "b"] * (WARMUP + RUNS)
    assert all(time > 0 for time in times)


def test_only_convolutions_that_lost_filters_are_named_and_only_for_odd_widths() -> None:
    dense = nn.Sequential(nn.Conv2d(3, 18, 3), nn.Conv2d(18, 32, 3), nn.Conv2d(32, 32, 3))
    pruned = copy.deepcopy(dense)
    pruned[1], pruned[2] = nn.Conv2d(18, 18, 3), nn.Conv2d(18, 16, 3)
    assert odd_widths(pruned, dense) == ("1",)
    assert odd_widths(dense, dense) == ()

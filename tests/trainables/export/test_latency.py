"""How long a file takes beside the dense network, and the hint where a smaller one is not faster."""

from pathlib import Path

import pytest
import torch
from torch import nn

from trainables.export import export
from trainables.export.latency import Latency, latency


def measured(dense: float, exported: float, macs_left: float, widths: tuple[str, ...]) -> Latency:
    return Latency("PyTorch", 1, dense, exported, macs_left, widths)


@pytest.mark.parametrize(
    ("exported", "widths", "hinted"), [(0.9, ("conv1",), True), (0.6, ("conv1",), False), (0.9, (), False)]
)
def test_the_hint_appears_where_odd_widths_eat_what_was_saved(
    exported: float, widths: tuple[str, ...], hinted: bool
) -> None:
    hint = measured(1.0, exported, 0.5, widths).hint
    assert (hint is not None) is hinted
    assert hint is None or "round_to" in hint


def test_both_networks_run_in_the_same_engine(tmp_path: Path) -> None:
    torch.manual_seed(0)
    dense = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Flatten(), nn.Linear(16 * 36, 2))
    pruned = nn.Sequential(nn.Conv2d(1, 6, 3), nn.Flatten(), nn.Linear(6 * 36, 2))
    written = export(pruned, (1, 8, 8), tmp_path / "net.pt2", "pt2")
    taken = latency(written, pruned, dense, (1, 8, 8), 0.375)
    assert (taken.engine, taken.threads, taken.odd_widths) == ("PyTorch", torch.get_num_threads(), ("0",))
    assert taken.speedup == taken.dense / taken.exported


@pytest.mark.parametrize(
    ("widths", "said"),
    [
        (("a",), "1 convolution (a) has a number of filters that is no multiple of 8"),
        (("a", "b", "c"), "3 convolutions (a, b, c) have a number of filters"),
        (("a", "b", "c", "d"), "4 convolutions (a, b, c, ...) have a number of filters"),
    ],
)
def test_the_hint_counts_what_it_names(widths: tuple[str, ...], said: str) -> None:
    hint = measured(1.0, 1.0, 0.5, widths).hint
    assert hint is not None
    assert hint.startswith(said)


@pytest.mark.parametrize(("exported", "hinted"), [(0.69, False), (0.71, True), (1.5, True)])
def test_three_fifths_of_the_saved_macs_are_enough_time_saved(exported: float, hinted: bool) -> None:
    assert (measured(1.0, exported, 0.5, ("a",)).hint is not None) is hinted

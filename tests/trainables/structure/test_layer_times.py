"""Seconds of layers between the widths that were measured."""

import pytest
import torch

from trainables.structure.layer_times import LayerTime, LayerTimes

TIME = LayerTime((1, 3), (1, 2, 4), torch.tensor([[1.0, 2.0, 4.0], [3.0, 2.0, 8.0]]))


def test_a_table_holds_what_was_measured_and_lies_between_it_elsewhere() -> None:
    table = TIME.table(3, 4)
    assert table.tolist() == [
        [0, 0, 0, 0, 0],
        [0, 1, 2, 3, 4],
        [0, 2, 2.5, 4.25, 6],
        [0, 3, 3, 5.5, 8],
    ]


def test_more_units_never_take_less_time() -> None:
    table = TIME.table(3, 4)
    assert (table.diff(dim=0) >= 0).all()
    assert (table.diff(dim=1) >= 0).all()


def test_a_smaller_table_is_a_part_of_the_whole_one() -> None:
    assert TIME.table(2, 3).equal(TIME.table(3, 4)[:3, :4])
    fixed = LayerTime((1,), (1,), torch.tensor([[5.0]]))
    assert fixed.table(1, 1).tolist() == [[0, 0], [0, 5]]


def test_the_total_is_that_of_all_layers_at_their_whole_widths_also_out_of_a_checkpoint() -> None:
    times = LayerTimes({"a": TIME, "b": LayerTime((1,), (1,), torch.tensor([[5.0]]))}, whole=20.0)
    again = LayerTimes.of_state(times.as_state())
    assert times.total == again.total == pytest.approx(13)
    assert again.whole == 20
    assert again.layers["a"].table(3, 4).equal(TIME.table(3, 4))

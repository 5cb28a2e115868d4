"""Pieces: summed, spread back, kept N of M."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.masking.granularity import keep_n_of_m, n_of_m, spread_pieces, sum_pieces

GRANULARITIES = ("weight", "2:4", "block_3", "block_4", "filter", "layer")

shapes = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
).map(torch.Size)


def drawn(shape: torch.Size) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@given(shapes, st.sampled_from(GRANULARITIES))
def test_every_weight_is_counted_in_exactly_one_piece(shape: torch.Size, granularity: str) -> None:
    values = drawn(shape)
    assert sum_pieces(values, granularity).sum() == pytest.approx(values.sum())


@given(shapes, st.sampled_from(GRANULARITIES))
def test_a_piece_s_value_reaches_all_of_its_weights_and_no_others(shape: torch.Size, granularity: str) -> None:
    sizes = sum_pieces(torch.ones(shape), granularity)
    numbers = torch.arange(sizes.numel()).view(sizes.shape)
    spread = spread_pieces(numbers, shape, granularity)
    assert spread.shape == shape
    assert torch.equal(spread.flatten().bincount(minlength=sizes.numel()), sizes.flatten().long())


def test_blocks_are_consecutive_weights_of_one_filter() -> None:
    values = torch.arange(20.0).view(2, 10)
    assert sum_pieces(values, "block_4").tolist() == [[6, 22, 17], [46, 62, 37]]


@given(shapes, st.integers(1, 4), st.integers(4, 8))
def test_n_of_m_is_exact_in_every_group_of_input_channels(shape: torch.Size, kept: int, group: int) -> None:
    scores = drawn(shape)
    mask = keep_n_of_m(scores, kept, group)
    assert mask.shape == shape
    for start in range(0, shape[1], group):
        part = slice(start, start + group)
        counts = mask[:, part].sum(1)
        assert (counts == min(kept, mask[:, part].shape[1])).all()
        lost = scores[:, part].where(mask[:, part] == 0, -1).amax(1)
        assert (scores[:, part].where(mask[:, part] == 1, 2).amin(1) >= lost).all()


def test_dead_weights_do_not_fill_a_group() -> None:
    scores = torch.tensor([[3.0, -torch.inf, -torch.inf, -torch.inf, 1.0, 2.0, 3.0, 4.0]])
    assert keep_n_of_m(scores, 2, 4).tolist() == [[1, 0, 0, 0, 0, 0, 1, 1]]


def test_names_are_parsed_or_refused() -> None:
    assert n_of_m("2:4") == (2, 4)
    assert n_of_m("weight") is None
    with pytest.raises(ValueError, match="'channel'"):
        sum_pieces(torch.ones(2, 2), "channel")

"""Weights carried into other shapes: exact where their rank allows, the best of that rank otherwise."""

import pytest
import torch

from trainables.structure.carrying import carried


def of_rank(rank: int, outputs: int = 12, inputs: int = 6) -> torch.Tensor:
    torch.manual_seed(rank)
    return (torch.randn(outputs, rank) @ torch.randn(rank, inputs * 9)).view(outputs, inputs, 3, 3)


@pytest.mark.parametrize("shape", [(5, 6, 3, 3), (12, 4, 3, 3), (5, 4, 3, 3)])
def test_a_weight_of_low_rank_shrinks_to_its_own_entries(shape: tuple[int, ...]) -> None:
    weight = of_rank(5)
    assert torch.allclose(carried(weight, shape), weight[: shape[0], : shape[1]], atol=1e-5)


def test_a_weight_of_more_rank_loses_the_smallest_directions() -> None:
    weight = of_rank(12)
    left, sizes, right = torch.linalg.svd(weight.flatten(1).double(), full_matrices=False)
    expected = (left[:5, :5] * sizes[:5]) @ right[:5]
    assert torch.allclose(carried(weight, (5, 6, 3, 3)).flatten(1).double(), expected, atol=1e-5)


def test_a_growing_weight_repeats_its_last_rows_and_columns() -> None:
    weight = of_rank(12)
    grown = carried(weight, (15, 8, 3, 3))
    assert torch.equal(grown[:12, :6], weight)
    assert torch.equal(grown[12:, :6], weight[9:12])
    assert torch.equal(grown[:12, 6:], weight[:, 4:6])
    assert torch.equal(carried(weight, (30, 6, 3, 3))[-12:], weight)


def test_one_side_may_shrink_while_the_other_grows() -> None:
    weight = of_rank(4)
    changed = carried(weight, (5, 8, 3, 3))
    assert torch.allclose(changed[:, :6], weight[:5], atol=1e-5)
    assert torch.equal(changed[:, 6:], changed[:, 4:6])


def test_vectors_lose_or_repeat_their_last_entries() -> None:
    vector = torch.arange(4.0)
    assert carried(vector, (2,)).tolist() == [0, 1]
    assert carried(vector, (6,)).tolist() == [0, 1, 2, 3, 2, 3]

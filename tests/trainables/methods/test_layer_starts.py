"""The hidden layers before the first sweep."""

import torch

from trainables.methods.layer_starts import (
    LARGEST_PATCH,
    SMALLEST_PATCH,
    THRESHOLDS,
    differences,
    draw_pairs,
    patches,
    scaled,
)


def test_pairs_are_of_different_classes_where_there_are_several() -> None:
    labels = torch.arange(100) % 4
    pairs = draw_pairs(labels, 200, torch.Generator().manual_seed(0))
    assert (labels[pairs.first] != labels[pairs.second]).float().mean() > 0.99
    same = draw_pairs(torch.zeros(5, dtype=torch.int64), 7, torch.Generator())
    assert (same.first.shape, same.second.shape) == ((7,), (7,))


def test_a_unit_points_from_one_sample_to_the_other() -> None:
    assert differences(torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 1.0]])).tolist() == [[2.0], [0.0]]


def test_patches_are_rectangles_of_all_channels_within_the_sides_that_are_said() -> None:
    drawn = patches((3, 8, 12), 500, torch.Generator().manual_seed(0)).T.reshape(500, 3, 8, 12)
    assert (drawn[:, :1] == drawn).all()
    for inside in drawn[:, 0]:
        rows, columns = inside.any(1), inside.any(0)
        assert torch.equal(inside, rows[:, None] & columns)
        assert (int(rows.sum()) >= 8 // SMALLEST_PATCH, int(columns.sum()) >= 12 // SMALLEST_PATCH) == (True, True)
        assert (rows.int().diff().abs().sum() <= 2, columns.int().diff().abs().sum() <= 2) == (True, True)
        assert rows.sum() <= round(8 * LARGEST_PATCH)
        assert columns.sum() <= round(12 * LARGEST_PATCH)
    assert drawn.any(0).all()


def test_sums_begin_with_one_spread_and_their_means_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, weight = 3 + torch.randn(50, 4, generator=generator), torch.randn(4, 600, generator=generator)
    made = scaled(weight, inputs, generator)
    sums = inputs @ made[:-1] + made[-1]
    torch.testing.assert_close(sums.std(0), torch.ones(600))
    assert abs(sums.mean()) < 0.1
    assert abs(sums.mean(0).std() - THRESHOLDS) < 0.1
    assert scaled(torch.zeros(4, 1), inputs, generator).isfinite().all()

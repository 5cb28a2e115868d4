"""EVBMF against its free energy, minimised over rank and noise, on matrices whose rank is known."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import brentq

from trainables.structure.low_rank import Quality, low_rank, quality

MATRICES = 200
NOISE = 0.1


def matrices() -> list[tuple[int, NDArray[np.float64]]]:
    """Return matrices with their ranks: signals of two to six times what noise of their size reaches."""
    dice = np.random.default_rng(0)
    return [matrix_of_rank(dice) for _ in range(MATRICES)]


def matrix_of_rank(dice: np.random.Generator) -> tuple[int, NDArray[np.float64]]:
    rows, columns = (int(size) for size in dice.integers(9, 50, 2))
    rank = int(dice.integers(1, min(rows, columns) // 3 + 1))
    left, _ = np.linalg.qr(dice.normal(size=(rows, rank)))
    right, _ = np.linalg.qr(dice.normal(size=(columns, rank)))
    sizes = NOISE * (math.sqrt(rows) + math.sqrt(columns)) * dice.uniform(2, 6, rank)
    return rank, (left * sizes) @ right.T + NOISE * dice.normal(size=(rows, columns))


def least_free_energy(matrix: NDArray[np.float64]) -> tuple[int, float]:
    """Return the rank and the variance of the noise with the least free energy, by trying them all.

    2 F = sum_i x_i + L log s2 + sum_(i <= rank) (log(1 + t_i) + a log(1 + t_i / a) - t_i), with x_i the squares of the
    singular values by M s2, t + (1 + a) + a / t = x, a = L / M.
    """
    short, long = sorted(matrix.shape)
    a = short / long
    squares = np.linalg.svd(matrix, compute_uv=False) ** 2 / long
    noises = np.geomspace(1e-3, 1, 1000) * squares.mean()
    x = squares / noises[:, None]
    middle = np.maximum(x - (1 + a), 2 * math.sqrt(a))
    t = (middle + np.sqrt(np.maximum(middle**2 - 4 * a, 0))) / 2
    kept = np.where(x >= (1 + math.sqrt(a)) ** 2, np.log1p(t) + a * np.log1p(t / a) - t, np.inf)
    by_rank = np.concatenate([np.zeros((len(noises), 1)), np.cumsum(kept, 1)], 1)
    energies = by_rank + x.sum(1, keepdims=True) + short * np.log(noises)[:, None]
    noise, rank = np.unravel_index(np.argmin(energies), energies.shape)
    return int(rank), float(noises[noise])


def test_the_rank_is_the_known_one_and_that_of_the_least_free_energy() -> None:
    for rank, matrix in matrices():
        values = low_rank(torch.from_numpy(matrix))
        assert len(values) == rank == least_free_energy(matrix)[0]


def test_values_are_shrunk_as_the_free_energy_s_stationary_point_says() -> None:
    for rank, matrix in matrices()[:20]:
        short, long = sorted(matrix.shape)
        _, noise = least_free_energy(matrix)
        singular = np.linalg.svd(matrix, compute_uv=False)[:rank]
        for seen, shrunk in zip(singular, low_rank(torch.from_numpy(matrix)), strict=True):
            square, a = seen**2 / (long * noise), short / long
            strength = brentq(lambda t, a=a, square=square: (1 + t) * (1 + a / t) - square, math.sqrt(a), square)
            assert float(shrunk) == pytest.approx(long * noise * strength / seen, rel=1e-2)


def test_a_matrix_without_noise_keeps_all_of_its_rank_and_zeros_have_none() -> None:
    left, right = torch.randn(12, 3, dtype=torch.float64), torch.randn(3, 30, dtype=torch.float64)
    assert len(low_rank(left @ right)) == 3
    assert torch.allclose(low_rank(left @ right), torch.linalg.svdvals(left @ right)[:3], rtol=1e-3)
    assert len(low_rank(torch.zeros(4, 5))) == 0


def test_each_side_of_a_weight_has_its_own_quality() -> None:
    torch.manual_seed(0)
    outputs = torch.randn(16, 2) @ torch.randn(2, 8 * 9)
    weight = outputs.view(16, 8, 3, 3)
    assert quality(weight, "outputs").rank == 2 / 16
    assert quality(weight, "inputs").rank > 2 / 8
    assert quality(weight, "outputs").condition >= 1
    assert quality(torch.zeros(4, 3), "inputs") == Quality(0.0, 0.0)


def test_the_angle_is_that_of_the_rank_against_the_mapping_condition() -> None:
    assert Quality(0.5, 2.0).angle == pytest.approx(math.atan2(0.5, 0.5))
    assert Quality(0.5, 1.0).angle == pytest.approx(math.atan2(0.5, 1e-4))
    assert Quality(0.0, 0.0).angle == 0

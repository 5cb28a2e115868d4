"""How the best learning rates of networks are read from their losses."""

import math

import pytest

from benchmarks.architecture_scaling import best_rates, chain, slope_of
from trainables import models
from trainables.structure.tracing import layer_graph


@pytest.mark.parametrize("depth", [3, 7])
def test_a_chain_has_so_many_layers(depth: int) -> None:
    model = models.build("dag", classes=10, input_shape=(1, 8, 8), options={"graph": chain(depth)})
    assert layer_graph(model, (1, 8, 8)).paths().layers == depth


def test_the_best_rate_has_the_lowest_mean_loss_and_never_diverges() -> None:
    losses = {(3, 1.0): [0.5, 0.7], (3, 2.0): [0.4, 0.6], (3, 4.0): [0.1, math.inf], (6, 1.0): [0.2, 0.2]}
    assert best_rates(losses) == {3: 2.0, 6: 1.0}


def test_the_slope_is_the_power_of_the_depth() -> None:
    assert slope_of({depth: 7 * depth**-1.5 for depth in (3, 6, 12)}) == pytest.approx(-1.5)

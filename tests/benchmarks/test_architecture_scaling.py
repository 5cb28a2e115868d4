"""How the best learning rates of networks are read from their losses."""

import math

import pytest

from benchmarks.architecture_scaling import READOUT, best_rates, chain, law, lowest, shown, slope_of
from trainables import models
from trainables.structure.tracing import layer_graph


@pytest.mark.parametrize("depth", [3, 7])
def test_a_chain_has_so_many_layers(depth: int) -> None:
    model = models.build("dag", classes=10, input_shape=(1, 8, 8), options={"graph": chain(depth)})
    assert layer_graph(model, (1, 8, 8)).paths().layers == depth


def test_the_best_rate_lies_between_those_of_the_grid() -> None:
    rates = [2.0 ** (power / 2) for power in range(-6, 7)]
    losses = {
        (6, rate): [math.exp((math.log(rate) - 0.3) ** 2), math.exp((math.log(rate) - 0.3) ** 2)] for rate in rates
    }
    assert best_rates(losses) == {6: pytest.approx(math.exp(0.3))}


def test_a_training_that_fails_counts_as_one_that_learns_nothing() -> None:
    failed = {(3, 1.0): [0.5, 0.5], (3, 2.0): [0.4, 0.4], (3, 4.0): [0.1, math.inf]}
    chance = {**failed, (3, 4.0): [0.1, math.log(10)]}
    assert best_rates(failed) == best_rates(chance)
    assert 1.0 < best_rates(failed)[3] < 4.0


def test_what_falls_to_the_end_of_the_grid_has_its_best_rate_there() -> None:
    assert lowest([(0.0, 3.0), (1.0, 2.0), (2.0, 1.5), (3.0, 1.1)]) == 3.0
    assert lowest([(0.0, 3.0), (1.0, 2.5), (2.0, 1.0)]) == 2.0


def test_the_slope_is_the_power_of_the_depth() -> None:
    assert slope_of({depth: 7 * depth**-1.5 for depth in (3, 6, 12)}) == pytest.approx(-1.5)


def test_the_law_counts_hidden_layers() -> None:
    rates = {depth: 7 * (depth - READOUT) ** -1.5 for depth in (3, 6, 12)}
    assert slope_of(rates, READOUT) == pytest.approx(-1.5)
    assert law(dict.fromkeys(rates, rates[3])) == pytest.approx(tuple(rates.values()))


def test_trainings_that_diverged_are_counted_in_place_of_accuracies() -> None:
    assert shown([0.5, math.nan, math.nan]) == "diverges in 2 of 3"
    assert shown([0.5, 0.25]) == "37.50 (25.00 to 50.00)"

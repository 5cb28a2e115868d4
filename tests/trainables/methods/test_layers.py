"""The layers of a perceptron as a closed form sees them."""

import pytest
import torch

from trainables.methods.layers import layers_of
from trainables.models import mlp

IMAGES = torch.randn(5, 1, 3, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("activation", "rank"), [("leaky_relu", 0), ("tanh", 2), ("sigmoid", 4)])
def test_layers_in_order_compute_what_the_network_does(activation: str, rank: int) -> None:
    model = mlp.build(4, (1, 3, 3), [6, 5], activation, rank)
    layers = layers_of(model)
    assert [(layer.name, layer.inputs, layer.outputs) for layer in layers] == [
        ("fc1", 9, 6),
        ("fc2", 6, 5),
        ("fc3", 5, 4),
    ]
    values = IMAGES.flatten(1)
    for layer in layers:
        values = layer.activated(layer.sums(values))
    torch.testing.assert_close(values, model(IMAGES))


@pytest.mark.parametrize("rank", [0, 3])
def test_a_layer_takes_a_solution_as_far_as_its_rank_allows(rank: int) -> None:
    layer = layers_of(mlp.build(4, (1, 3, 3), [6], "tanh", rank))[0]
    given = torch.randn(10, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    layer.assign(given)
    taken = layer.solution()
    torch.testing.assert_close(taken[-1], given[-1], rtol=1e-6, atol=1e-6)
    if rank:
        assert torch.linalg.matrix_rank(taken[:-1], rtol=1e-5) == rank
    else:
        torch.testing.assert_close(taken, given, rtol=1e-6, atol=1e-6)
    again = taken.clone()
    layer.assign(taken)
    torch.testing.assert_close(layer.solution(), again, rtol=1e-5, atol=1e-5)

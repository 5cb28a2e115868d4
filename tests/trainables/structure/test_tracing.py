"""The steps of real networks."""

import pytest
import torch
from torch import nn

from trainables import models
from trainables.structure.layer_graph import LayerGraph
from trainables.structure.tracing import layer_graph


def graph_of(name: str, shape: tuple[int, int, int] = (3, 16, 16)) -> LayerGraph:
    return layer_graph(models.build(name, classes=10, input_shape=shape), shape)


@pytest.mark.parametrize(
    ("name", "shape", "layers", "paths", "mean"),
    [
        ("mlp", (1, 8, 8), 3, 1, 3),
        ("digits_cnn", (1, 8, 8), 4, 1, 4),
        ("vgg16_bn", (3, 16, 16), 14, 1, 14),
        ("resnet20", (3, 16, 16), 20, 2**9, 11),
        ("mobilenet_v2", (3, 16, 16), 53, 2**10, 38),
        ("char_transformer", (1, 1, 16), 10, 2**4, 6),
        ("vit", (3, 16, 16), 26, 2**12, 14),
        ("torchvision/mobilenet_v3_small", (3, 32, 32), 54, 2**6, 27),
    ],
)
def test_every_layer_is_found_and_every_shortcut_doubles_the_paths(
    name: str, shape: tuple[int, int, int], layers: int, paths: int, mean: float
) -> None:
    graph = graph_of(name, shape)
    sums = graph.paths()
    assert (len(graph.in_degrees), sums.count, sums.mean_layers) == (layers, paths, mean)


def test_the_last_layer_of_a_residual_branch_leads_to_a_sum_of_two() -> None:
    degrees = graph_of("resnet20").in_degrees
    assert {name for name, degree in degrees.items() if degree == 2} == {
        f"layer{stage}.{block}.conv2.weight" for stage in (1, 2, 3) for block in range(3)
    }
    assert set(degrees.values()) == {1, 2}


def test_the_readout_is_the_head() -> None:
    assert graph_of("resnet20").readouts == {"fc.weight"}


def test_kernels_are_those_of_convolutions_that_overlap() -> None:
    shape = (1, 8, 8)
    wide = nn.Sequential(nn.Conv2d(1, 2, 5, padding=2), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(128, 10))
    patches = nn.Sequential(nn.Conv2d(1, 2, 4, stride=4), nn.Flatten(), nn.Linear(8, 10))
    assert layer_graph(wide, shape).paths().kernel == 3
    assert layer_graph(patches, shape).paths().convolutions == 0


def test_tracing_leaves_the_network_and_the_random_state_as_they_are() -> None:
    model = models.build("resnet20", classes=10, input_shape=(1, 8, 8)).train()
    before, drawn = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    layer_graph(model, (1, 8, 8))
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(module.training for module in model.modules())

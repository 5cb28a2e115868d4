"""A network of any widths as a graph of its layers."""

import pytest
import torch

from tests.trainables.networks import SHAPES, build
from trainables.structure.channels import find_groups
from trainables.structure.width_graph import VARYING, WidthGraph
from trainables.structure.widths import axes_of, widths_of


def graph_of(name: str) -> WidthGraph:
    return WidthGraph.of(build(name), SHAPES[name], find_groups(build(name), SHAPES[name]))


def test_a_layer_s_row_has_the_shares_of_the_channels_that_it_writes_and_reads() -> None:
    graph = graph_of("digits_cnn")
    assert graph.nodes.names == ("conv1.weight", "conv2.weight", "conv3.weight", "fc.weight")
    (rows,) = graph.rows([{"conv1": 8, "conv2": 16, "conv3": 64}])
    expected = [[0.25, 1.0, 0.25], [0.5, 0.25, 0.125], [1.0, 0.5, 0.5], [1.0, 1.0, 1.0]]
    assert rows[:, :VARYING].tolist() == expected
    assert rows[:, VARYING].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert float(rows[:, VARYING + 1].sum()) == pytest.approx(1)
    assert rows[:, VARYING + 2 :].tolist() == torch.eye(4).tolist()


def test_a_layer_is_averaged_with_those_that_read_it_or_that_it_reads() -> None:
    smoothing = graph_of("digits_cnn").nodes.smoothing
    half, sixth = 1 / 3, 6**-0.5
    chain = [[1 / 2, sixth, 0, 0], [sixth, half, half, 0], [0, half, half, sixth], [0, 0, sixth, 1 / 2]]
    assert torch.allclose(smoothing, torch.tensor(chain, dtype=torch.float64))


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "torchvision/resnet18", "mlp"])
def test_all_layers_beside_a_group_of_channels_are_there(name: str) -> None:
    graph, model = graph_of(name), build(name)
    groups = find_groups(model, SHAPES[name])
    weights = {axis.tensor for axis in axes_of(model, groups) if model.state_dict()[axis.tensor].dim() > 1}
    assert set(graph.nodes.names) == weights
    narrow = {group: width // 2 for group, width in widths_of(groups).items()}
    whole, half = graph.rows([widths_of(groups), narrow])
    assert whole[:, :VARYING].unique().tolist() == [1.0]
    assert (half[:, :VARYING].amin(1) < 0.6).all()
    assert torch.equal(whole[:, VARYING:], half[:, VARYING:])


def test_a_residual_block_reads_the_stream_and_the_stem() -> None:
    graph = graph_of("resnet20")
    names = graph.nodes.names
    beside = {names[index] for index in graph.nodes.smoothing[names.index("layer1.1.conv1.weight")].nonzero().flatten()}
    stream = {"conv1.weight", "layer1.0.conv2.weight"}
    assert beside == {"layer1.1.conv1.weight", "layer1.1.conv2.weight", *stream}

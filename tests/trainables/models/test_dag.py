"""Networks by a string."""

import random
from typing import Any

import pytest
import torch
from torch import nn

from trainables import models
from trainables.errors import InvalidValue
from trainables.models.dag import Edge, parse
from trainables.structure.blocks import drop_blocks, residual_blocks
from trainables.structure.channels import find_groups
from trainables.structure.tracing import layer_graph

CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
"""A cell as NAS-Bench-201 writes it."""


def build(graph: str, shape: tuple[int, int, int] = (1, 8, 8), **options: Any) -> nn.Module:
    return models.build("dag", classes=10, input_shape=shape, options={"graph": graph, **options})


def test_a_graph_is_read_node_by_node() -> None:
    assert parse("|linear~0|+|linear~0|skip_connect~1|") == (
        (Edge("linear", 0),),
        (Edge("linear", 0), Edge("skip_connect", 1)),
    )


def test_edges_on_no_path_are_left_out_and_nodes_numbered_again() -> None:
    """Node 1 is not reached, and node 3 leads nowhere."""
    assert parse("|none~0|+|linear~0|linear~1|+|linear~2|+|linear~1|linear~2|") == (
        (Edge("linear", 0),),
        (Edge("linear", 1),),
    )


@pytest.mark.parametrize(
    "graph",
    ["", "linear", "|linear~1|", "|linear|", "|conv_4x4~0|", "|conv_3x5~0|", "|linear~0|+", "|pool~0|", "||", 3, True],
)
def test_what_is_no_graph_is_refused_in_one_sentence(graph: Any) -> None:
    with pytest.raises(InvalidValue, match="must be nodes joined by") as refused:
        build(graph)
    assert (refused.value.key, refused.value.value, "\n" in str(refused.value)) == ("options.graph", graph, False)


@pytest.mark.parametrize(
    ("graph", "options", "key", "reason"),
    [
        ("|none~0|", {}, "options.graph", "must have a path from its first node to its last"),
        ("|linear~0|+|none~0|none~1|", {}, "options.graph", "must have a path"),
        ("|linear~0|+|conv_3x3~1|", {}, "options.graph", "cannot be in one graph with linear"),
        ("|linear~0|", {"stages": 2}, "options.stages", "must be 1 for a graph with linear"),
        ("|linear~0|", {"width": 0}, "options.width", "must be a whole number from 1 to 4096"),
        ("|conv_3x3~0|", {"cells": 1.5}, "options.cells", "must be a whole number from 1 to 100"),
        ("|conv_3x3~0|", {"stages": True}, "options.stages", "must be a whole number from 1 to 6"),
        ("|conv_3x3~0|", {"depth": 3}, "options.depth", "dag takes graph, width, cells, stages"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(graph: str, options: dict[str, Any], key: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason) as refused:
        build(graph, **options)
    assert refused.value.key == key


def random_text(draw: random.Random) -> str:
    """Draw a graph in which a path leads through all nodes."""
    operations = ("conv_3x3", "nor_conv_1x1", "nor_conv_5x5", "avg_pool_3x3", "skip_connect")
    nodes = [[draw.choice((*operations, "none")) for _ in range(number)] for number in range(draw.randint(1, 4))]
    ends = [[*others, draw.choice(operations)] for others in nodes]
    return "+".join("|".join(f"{operation}~{n}" for n, operation in enumerate(node)) for node in ends)


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_with_a_path_computes_logits_and_trains_every_weight(seed: int) -> None:
    torch.manual_seed(seed)
    draw = random.Random(seed)
    model = build(random_text(draw), width=8, cells=draw.randint(1, 2), stages=draw.randint(1, 2))
    logits = model(torch.randn(4, 1, 8, 8))
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_node_is_the_sum_of_what_its_edges_make_of_earlier_nodes() -> None:
    torch.manual_seed(0)
    model = build("|linear~0|+|linear~0|skip_connect~1|", width=5)
    x = torch.randn(3, 1, 8, 8)
    zero = model.get_submodule("stem")(x.flatten(1))
    layers = [module for module in model.get_submodule("cell1").modules() if isinstance(module, nn.Linear)]
    one, two = layers[0](zero.relu()), layers[1](zero.relu())
    assert torch.allclose(model(x), model.get_submodule("fc")((two + one).relu()))


def test_nas_bench_201_has_its_macro_skeleton() -> None:
    """Stem, 5 cells, reduction, 5 cells, reduction, 5 cells, readout (arXiv 2001.00326, figure 1)."""
    model = build(CELL, shape=(3, 32, 32), width=16, cells=5, stages=3)
    children = [name for name, _ in model.named_children()]
    assert [sum(f"stage{stage}_" in name for name in children) for stage in (1, 2, 3)] == [5, 5, 5]
    shapes: list[tuple[int, ...]] = []
    for name in ("stem_bn", "reduction1", "reduction2"):
        model.get_submodule(name).register_forward_hook(lambda _, __, x: shapes.append(tuple(x.shape[1:])))
    model.eval()(torch.zeros(1, 3, 32, 32))
    assert shapes == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_the_published_cell_has_its_published_number_of_parameters() -> None:
    """With convolutions of 3x3 on all six edges, 1.531546 M for CIFAR-10 in NAS-Bench-201's tables."""
    full = "+".join("|" + "|".join(f"nor_conv_3x3~{n}" for n in range(node)) + "|" for node in (1, 2, 3))
    model = build(full, shape=(3, 32, 32), width=16, cells=5, stages=3)
    assert sum(p.numel() for p in model.parameters()) == 1_531_546


def test_the_paths_of_a_graph_are_those_of_its_network() -> None:
    """Through |a~0|+|b~0|c~1| lead two paths, of one and of two layers beside the stem and the readout."""
    sums = layer_graph(build("|conv_5x5~0|+|conv_5x5~0|conv_5x5~1|"), (1, 8, 8)).paths()
    assert (sums.count, sums.cubes, sums.kernel) == (2, 3**3 + 4**3, 5)


def test_a_node_with_a_layer_beside_a_shortcut_is_a_residual_block_that_can_be_dropped() -> None:
    model = build("skip_connect~0|nor_conv_3x3~0+nor_conv_3x3~1|avg_pool_3x3~1+conv_3x3~2|skip_connect~1")
    blocks = residual_blocks(model)
    assert blocks == ("stage1_cell1.node1", "stage1_cell1.node2")
    drop_blocks(model, blocks)
    assert layer_graph(model, (1, 8, 8)).paths().layers == 2 + 3
    assert model(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_channels_go_together_in_nodes_that_shortcuts_and_poolings_connect() -> None:
    groups = find_groups(build(CELL, width=8), (1, 8, 8))
    first, second, third = (f"stage1_cell1.node{node}.edge{edge}.conv" for node, edge in ((1, 1), (2, 2), (3, 2)))
    assert {frozenset(group.producers) for group in groups} == {frozenset({"stem", second}), frozenset({first, third})}

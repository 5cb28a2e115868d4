"""First weights by in-degree, and learning rates by the lengths of paths."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from trainables import models
from trainables.errors import InvalidValue
from trainables.structure.layer_graph import LayerGraph, Paths, Step
from trainables.structure.tracing import layer_graph
from trainables.training.architecture_scaling import BASE, graph_of, initialize, relative_rate

SHAPE = (1, 8, 8)
DEPTH = 20
LADDER = "|linear~0|+" + "+".join(f"|linear~{n}|linear~{n + 1}|" for n in range(DEPTH - 1))
"""Every node but the first two adds up layers on the two nodes before it."""


def in_rows(*lengths: int, kernel: int | None = None) -> Paths:
    """Return the sums over paths that have so many layers, side by side between an input and an addition."""
    steps, ends = [Step()], []
    for length in lengths:
        source = 0
        for _ in range(length):
            steps.append(Step((source,), weight=f"w{len(steps)}", kernel=kernel))
            source = len(steps) - 1
        ends.append(source)
    return LayerGraph((*steps, Step(tuple(ends), "adds"))).paths()


@pytest.mark.parametrize(
    ("lengths", "rate"), [((3,), 1.0), ((5,), 0.465), ((10,), 0.164), ((20,), 0.0581), ((3, 5), 0.421)]
)
def test_the_rate_falls_with_the_cubed_lengths_of_all_paths(lengths: Sequence[int], rate: float) -> None:
    """Check values of arXiv 2402.17440's formula, relative to one path of three layers."""
    assert relative_rate(in_rows(*lengths)) == pytest.approx(rate, rel=2e-3)


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_the_rate_falls_with_the_kernel(kernel: int) -> None:
    assert relative_rate(in_rows(3, kernel=kernel), BASE) == pytest.approx(3 / kernel)


def test_a_rate_relative_to_a_network_and_to_the_base_agree() -> None:
    deep, shallow = in_rows(12, 4), in_rows(5)
    assert relative_rate(shallow, deep) == pytest.approx(relative_rate(shallow) / relative_rate(deep))


@pytest.mark.parametrize("name", ["mlp", "digits_cnn", "resnet20", "vit", "mobilenet_v2"])
def test_weights_have_the_deviation_of_fan_in_and_in_degree(name: str) -> None:
    torch.manual_seed(0)
    shape = (3, 16, 16)
    model = models.build(name, classes=10, input_shape=shape)
    graph = layer_graph(model, shape)
    initialize(model, graph)
    for weight, degree in graph.in_degrees.items():
        values = model.get_parameter(weight).detach()
        expected = math.sqrt(2 / (values[0].numel() * degree))
        expected = expected**2 if weight in graph.readouts else expected
        deviations = 5 / math.sqrt(2 * values.numel())  # of an estimate of a deviation: five times its own
        assert float(values.std()) == pytest.approx(expected, rel=deviations)


class Attends(nn.Module):
    """PyTorch's attention over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.fc = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.squeeze(1)
        logits: Tensor = self.fc((rows + self.attention(rows, rows, rows, need_weights=False)[0]).flatten(1))
        return logits


def test_attention_of_torch_is_drawn_as_any_layer_is() -> None:
    torch.manual_seed(0)
    model = Attends()
    graph = layer_graph(model, SHAPE)
    initialize(model, graph)
    assert graph.in_degrees == {"attention.in_proj_weight": 1, "attention.out_proj.weight": 2, "fc.weight": 1}
    projections = model.get_parameter("attention.in_proj_weight").detach()
    assert float(projections.std()) == pytest.approx(math.sqrt(2 / 8), rel=0.2)


def second_moments(*, scaled: bool, width: int = 256, draws: int = 40) -> Tensor:
    """Return the mean squares [DEPTH + 1] of a deep graph's nodes for one input, over draws of its weights."""
    torch.manual_seed(0)
    model = models.build("dag", classes=10, input_shape=SHAPE, options={"graph": LADDER, "width": width})
    graph, x, sums = layer_graph(model, SHAPE), torch.randn(1, *SHAPE), torch.zeros(DEPTH + 1)
    squares: list[Tensor] = []
    for node in (model.get_submodule("stem"), *model.get_submodule("cell1").children()):
        node.register_forward_hook(lambda _, __, result: squares.append(result.square().mean()))
    for _ in range(draws):
        squares.clear()
        if scaled:
            initialize(model, graph)
        else:
            for module in model.modules():
                if isinstance(module, nn.Linear):
                    module.reset_parameters()
        with torch.no_grad():
            model(x)
        sums += torch.stack(squares)
    return sums / draws


def test_activations_keep_their_variance_over_twenty_layers_only_with_the_initialisation() -> None:
    with_it, without = second_moments(scaled=True), second_moments(scaled=False, draws=5)
    assert bool(((with_it / with_it[0] - 1).abs() < 0.1).all()), with_it / with_it[0]
    assert float(without[-1] / without[0]) < 0.5 or float(without[-1] / without[0]) > 2


class Sizes(nn.Module):
    """A network whose outputs are those of its input's first pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(10))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :10] * self.scale


def test_a_network_without_layers_is_refused_in_one_sentence() -> None:
    with pytest.raises(InvalidValue, match=r"^name = 'sizes': has no layers on a path from its input to its output"):
        graph_of(Sizes(), SHAPE, "sizes")


def test_a_network_with_an_equilibrium_is_refused_in_one_sentence() -> None:
    model = models.build("deq", classes=10, input_shape=SHAPE)
    with pytest.raises(InvalidValue, match=r"^name = 'deq': has an equilibrium, .*; use scaling: none$"):
        graph_of(model, SHAPE, "deq")

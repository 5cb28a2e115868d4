"""First weights and learning rates that fit a network's architecture, however deep it is and however it branches.

Chen et al. 2024, Principled Architecture-aware Scaling of Hyperparameters, arXiv 2402.17440.
"""

import math
from typing import Final

import torch
from torch import nn

from trainables.errors import InvalidValue
from trainables.models.deq import Equilibrium
from trainables.structure.channels import CONVOLUTIONS
from trainables.structure.layer_graph import USUAL_KERNEL, LayerGraph, Paths
from trainables.structure.tracing import layer_graph

BASE: Final = Paths(count=1, layers=3, squares=9, cubes=27, convolutions=1, sides=USUAL_KERNEL)
"""The network whose learning rate a study gives: three layers in a row, with kernels of 3x3."""

_LAYERS: Final = (nn.Linear, *CONVOLUTIONS, nn.MultiheadAttention)


def graph_of(model: nn.Module, input_shape: tuple[int, int, int], name: str) -> LayerGraph:
    """Return the graph of the network of that name.

    Raises InvalidValue for one whose output has no layers, and for one with an equilibrium: its cell is on a path as
    often as the state takes to settle, and autograd's graph has not even one of them.
    """
    if any(isinstance(module, Equilibrium) for module in model.modules()):
        allowed = "has an equilibrium, whose paths have no length by which training could be scaled; use scaling: none"
        raise InvalidValue("name", name, allowed)
    graph = layer_graph(model, input_shape)
    if not graph.in_degrees:
        allowed = "has no layers on a path from its input to its output, so nothing of its training can be scaled"
        raise InvalidValue("name", name, allowed)
    return graph


def relative_rate(paths: Paths, base: Paths = BASE) -> float:
    """Return the learning rate of a network as a multiple of that of another one.

    It is proportional to (sum over paths of L^3)^(-1/2) / q, with L layers on a path and kernels of q x q.
    """
    return math.sqrt(base.cubes / paths.cubes) * base.kernel / paths.kernel


@torch.no_grad()
def initialize(model: nn.Module, graph: LayerGraph) -> None:
    """Draw the weights of all layers from N(0, 2 / (fan_in d)), so that activations keep their variance.

    `d` is the in-degree of the sum that the layer's result is part of; readouts have the square of that standard
    deviation, biases are zero. What is multiplied outside of linear layers, convolutions and attention stays as it is.
    """
    readouts, modules = graph.readouts, dict(model.named_modules())
    for name, degree in graph.in_degrees.items():
        module = modules[name.rpartition(".")[0]]
        if isinstance(module, _LAYERS):
            weight = model.get_parameter(name)
            deviation = math.sqrt(2 / (weight[0].numel() * degree))
            nn.init.normal_(weight, std=deviation**2 if name in readouts else deviation)
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and module.bias is not None:
                nn.init.zeros_(module.bias)

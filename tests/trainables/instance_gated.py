"""Untrained networks with gates, thresholds set so that images use about half of their channels."""

import torch
from torch import Tensor, nn

from trainables import models
from trainables.data import Facts
from trainables.methods.gate_sites import gate_sites
from trainables.methods.rehearsal import shapes_of
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.structure.instance_gates import attach_gates

SHAPES = {"lenet": (1, 28, 28)}


def with_gates(model: str, *, gated: bool = True) -> tuple[nn.Module, tuple[int, int, int]]:
    """Return a network in evaluation mode, whose statistics are those of random images, and the shape it takes."""
    shape = SHAPES.get(model, (1, 8, 8))
    torch.manual_seed(3)
    network = models.build(model, classes=10, input_shape=shape, options={})
    network.train()(images(32, shape))
    spec = TrialSpec(data=DataSpec(name="digits"), model=ModelSpec(name=model), paradigm="dense", epochs=1)
    if gated:
        for gate in attach_gates(network, gate_sites(shapes_of(spec, Facts(10, shape)))).each:
            nn.init.normal_(gate.fc2.weight, std=0.03)
            gate.threshold.fill_(1.0)
    return network.eval(), shape


def images(count: int, shape: tuple[int, int, int]) -> Tensor:
    """Return random images, the same for every call."""
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(7))

"""Compiles networks by a tracer, without making machine code: what stands for a compiler on any machine."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.training.logits import Network


def by_dynamo(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Trace a network as `torch.compile` does."""
    torch.compiler.reset()
    return torch.compile(network, backend="eager", fullgraph=True, dynamic=False)


@dataclass
class Traced:
    """A compiler; counts what it compiles, and how often that computes."""

    compiled: int = 0
    called: int = 0
    refuses: bool = False
    tracer: Callable[[nn.Module], Callable[[Tensor], Tensor]] = by_dynamo

    def __call__(self, network: nn.Module) -> Network:
        if self.refuses:
            raise RuntimeError("no compiler is installed\nat /usr/bin")
        self.compiled += 1
        traced = self.tracer(network)

        def run(inputs: Tensor) -> Tensor:
            self.called += 1
            return traced(inputs)

        return run

"""Compiles networks by torch's tracer, without making machine code: what stands for a compiler on any machine."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.training.logits import Network


@dataclass
class Traced:
    """A compiler; counts what it compiles, and how often that computes."""

    compiled: int = 0
    called: int = 0
    refuses: bool = False

    def __call__(self, network: nn.Module) -> Network:
        if self.refuses:
            raise RuntimeError("no compiler is installed\nat /usr/bin")
        torch.compiler.reset()
        self.compiled += 1
        traced = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)

        def run(inputs: Tensor) -> Tensor:
            self.called += 1
            outputs: Tensor = traced(inputs)
            return outputs

        return run

"""Slopes of equilibrium networks that do not rest on the equilibrium, for attacks on them.

The gradient at an equilibrium can be masked: it is wrong where the network has not settled, and says nothing of the
states on the way (Yang, Pang & Liu 2022, A Closer Look at the Adversarial Robustness of Deep Equilibrium Models).
"""

from collections.abc import Mapping

from torch import Tensor, nn

from trainables.models.deq import EquilibriumNetwork


class Unrolled(nn.Module):
    """The same network, whose gradient is that of all of its iterations."""

    def __init__(self, network: EquilibriumNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.unrolled(images)[-1]


class Intermediate(Unrolled):
    """The mean of the log-probabilities after each iteration, with the gradient of all iterations."""

    def forward(self, images: Tensor) -> Tensor:
        return self.network.unrolled(images).log_softmax(2).mean(0)


def surrogates(model: nn.Module) -> Mapping[str, nn.Module]:
    """Return networks by the names of attacks that follow their slopes instead of those of `model`."""
    if not isinstance(model, EquilibriumNetwork):
        return {}
    return {"unrolled": Unrolled(model), "intermediate": Intermediate(model)}

"""Jacobian regularisation (Bai et al. 2021, arXiv 2106.14342), which keeps the cell of such a network contracting."""

from typing import Final

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.models.deq import EquilibriumNetwork
from trainables.training.acts import Acts
from trainables.training.companion import Companion

VECTORS: Final = 2
"""The random vectors by which the norm of a Jacobian is estimated (Hutchinson 1989)."""


class Contraction(Companion):
    """Penalises the Jacobian J of the cell by its state: ``jacobian`` times the mean of |Jᵀ v|² / n, v normal in R^n.

    Each image's is that at a state which the training step's forward pass has met, drawn from the second half of the
    way. So it costs no search of its own, and it acts in every paradigm that trains such a network.
    """

    def __init__(self, network: EquilibriumNetwork) -> None:
        self._network, self._evaluation = network, 0
        self._inputs = self._chosen = self._met = torch.empty(0)

        def listen(cell: nn.Module, inputs: tuple[Tensor, Tensor]) -> None:
            if cell.training and self._evaluation < network.iterations:
                self._meet(inputs[0].detach())

        self._hook = network.equilibrium.cell.register_forward_pre_hook(listen)

    @property
    def acts(self) -> Acts:
        return Acts(refusal="which evaluations are penalised is drawn for every step")

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:  # noqa: ARG002 - a companion's
        last = self._network.iterations
        drawn = torch.randint(last // 2, last, (len(inputs), 1, 1, 1))
        self._inputs, self._chosen, self._evaluation = inputs, drawn.to(inputs.device), 0

    def _meet(self, state: Tensor) -> None:
        """Remember what an evaluation is given, of the images for which that evaluation was drawn."""
        self._met = torch.where(self._chosen == self._evaluation, state, self._met) if self._evaluation else state
        self._evaluation += 1

    def penalty(self) -> Tensor:
        with torch.autocast(self._inputs.device.type, enabled=False):
            state = self._met.requires_grad_()
            image = self._network.equilibrium.cell(state, self._network.stem(self._inputs))
        slopes = [_pulled(image, state, torch.randn_like(image)) for _ in range(VECTORS)]
        norms = torch.stack([slope.square().flatten(1).mean(1) for slope in slopes]).mean(0)
        images = parallel.count(len(norms), norms.device)
        return self._network.jacobian * part_of_mean(norms, images, parallel.size())

    def finish(self) -> None:
        self._hook.remove()


def part_of_mean(values: Tensor, count: int, processes: int) -> Tensor:
    """Return what a process's `values` [B] add to the mean of all `count`: the parts' mean is that mean.

    Gradients are averaged over processes; one that has no values adds nothing.
    """
    return values.sum() * processes / max(1, count)


def _pulled(image: Tensor, state: Tensor, vector: Tensor) -> Tensor:
    (slope,) = torch.autograd.grad(image, state, vector, create_graph=True)
    return slope

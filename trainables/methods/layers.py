"""The layers of a perceptron as a closed form sees them: weight and intercepts, activation and its inverse."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.methods.backward_targets import INVERSES, SLOPES
from trainables.methods.ridge import of_rank
from trainables.models.mlp import ACTIVATIONS


@dataclass(frozen=True)
class Layer:
    """A hidden layer, or the head, which has no activation. `basis` is its first factor if its rank is limited."""

    name: str
    linear: nn.Linear
    basis: nn.Linear | None = None
    activation: nn.Module | None = None
    kind: str = ""

    @property
    def inputs(self) -> int:
        return (self.basis or self.linear).in_features

    @property
    def outputs(self) -> int:
        return self.linear.out_features

    def sums(self, inputs: Tensor) -> Tensor:
        """Return what the layer puts out before its activation."""
        sums: Tensor = self.linear(inputs if self.basis is None else self.basis(inputs))
        return sums

    def activated(self, sums: Tensor) -> Tensor:
        outputs: Tensor = sums if self.activation is None else self.activation(sums)
        return outputs

    def inverse(self, outputs: Tensor) -> Tensor:
        """Return the sums that lead to outputs, clipped to the activation's range."""
        return INVERSES[self.kind](outputs)

    def slope(self, sums: Tensor) -> Tensor:
        """Return the slope of the activation at these sums."""
        return SLOPES[self.kind](sums)

    def solution(self) -> Tensor:
        """Return weight and intercepts, float64 [inputs + 1, outputs]."""
        weight = self.linear.weight.double().T
        if self.basis is not None:
            weight = self.basis.weight.double().T @ weight
        return torch.cat([weight, self.linear.bias.double()[None]])

    @torch.no_grad()
    def assign(self, solution: Tensor, gram: Tensor | None = None) -> None:
        """Take a solution; a layer of limited rank the nearest, for inputs with that sum of squares (None: white)."""
        weight = solution[:-1]
        if self.basis is not None:
            known = torch.eye(len(solution)).to(solution) if gram is None else gram
            first, weight = of_rank(known, solution, self.basis.out_features)
            self.basis.weight.copy_(first.T)
        self.linear.weight.copy_(weight.T)
        self.linear.bias.copy_(solution[-1])


def layers_of(model: nn.Module) -> Sequence[Layer]:
    """Return the layers of a network that `trainables.models.mlp` built."""
    modules = dict(model.named_children())
    count = sum(name.startswith("fc") for name in modules)
    return [_layer(modules, number) for number in range(1, count + 1)]


def _layer(modules: dict[str, nn.Module], number: int) -> Layer:
    linear, basis = modules[f"fc{number}"], modules.get(f"basis{number}")
    kind = next((kind for kind in ACTIVATIONS if f"{kind}{number}" in modules), "")
    assert isinstance(linear, nn.Linear)
    assert basis is None or isinstance(basis, nn.Linear)
    return Layer(f"fc{number}", linear, basis, modules.get(f"{kind}{number}") if kind else None, kind)

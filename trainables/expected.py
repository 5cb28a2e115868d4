"""What a network of random structure costs on average: exact, differentiable, with prices in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.channels import is_dense_layer
from trainables.complexity import Complexity, LayerCost, Shape, measure
from trainables.structures import Structures

NO_BRANCH = -1


@dataclass(frozen=True, eq=False)
class ExpectedComplexity:
    """The expected cost of a network whose units and residual branches are independent 0/1 variables.

    A parameter tensor with `n_in` input and `n_out` output channels alive, on branch b, costs
    ``theta_b * unit_cost * n_in * n_out`` (arXiv 2411.09127 states the principle; the form is derived here). The
    numbers alive are sums of the units' probabilities, so the expectation of the cost is the cost of the
    expectations. One row per parameter tensor: `macs`, `params` [R] per pair of channels, `inputs`, `outputs`
    [R, G + 1] with which the alive numbers of the G groups, and 1, give the channels of both sides; `branch` [R] is
    an index, -1 for what lies on none. All float64 on the CPU.
    """

    modules: tuple[str, ...]
    macs: Tensor
    params: Tensor
    inputs: Tensor
    outputs: Tensor
    branch: Tensor
    group: Tensor  # [U]: the group of each unit
    branches: int
    groups: int

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, structures: Structures) -> "ExpectedComplexity":
        """Read the rows off a network as it is now, with all its units and branches alive."""
        measured = measure(model, input_shape).layers
        rows = _Rows(model, structures, measured)
        sizes = torch.tensor([group.size for group in structures.groups], dtype=torch.long)
        group = torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        return cls(*rows.tensors(), group=group, branches=len(structures.branches), groups=len(sizes))

    def alive(self, units: Tensor) -> Tensor:
        """Return the expected number of units of each group, with 1 appended: [G + 1]."""
        count = torch.zeros(self.groups, dtype=torch.float64).index_add(0, self.group, units)
        return torch.cat([count, torch.ones(1, dtype=torch.float64)])

    def on_branches(self, branches: Tensor) -> Tensor:
        """Return each row's probability of being there at all: [R]."""
        return torch.cat([branches, torch.ones(1, dtype=torch.float64)])[self.branch]

    def channels(self, units: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expected numbers of input and output channels of each row: [R] each."""
        alive = self.alive(units)
        return self.inputs @ alive, self.outputs @ alive

    def __call__(self, units: Tensor, branches: Tensor) -> tuple[Tensor, Tensor]:
        """Return the expected MACs and parameters, scalars, for probabilities [U] and [B]."""
        inputs, outputs = self.channels(units)
        pairs = inputs * outputs * self.on_branches(branches)
        return self.macs @ pairs, self.params @ pairs

    def at(self, units: Tensor, branches: Tensor) -> Complexity:
        """Return the complexity of the corner where exactly these units and branches are kept."""
        inputs, outputs = self.channels(units.double())
        pairs = inputs * outputs * self.on_branches(branches.double())
        layers: dict[str, LayerCost] = {}
        for module, macs, params in zip(
            self.modules, (self.macs * pairs).tolist(), (self.params * pairs).tolist(), strict=True
        ):
            own = layers.get(module, LayerCost(0, 0))
            layers[module] = LayerCost(own.macs + round(macs), own.params + round(params))
        return Complexity(layers, bytes=4 * sum(layer.params for layer in layers.values()))


class _Rows:
    """Collects one row per parameter tensor of the network."""

    def __init__(self, model: nn.Module, structures: Structures, measured: Mapping[str, LayerCost]) -> None:
        self._structures, self._groups = structures, len(structures.groups)
        self._branch = {name: i for i, branch in enumerate(structures.branches) for name in branch.modules}
        self._outputs = {name: i for i, group in enumerate(structures.groups) for name in group.writers}
        self._inputs = {reader.module: (i, reader) for i, group in enumerate(structures.groups) for reader in group.readers}
        self._rows: list[tuple[str, float, float, Tensor, Tensor, int]] = []
        for name, module in model.named_modules():
            for key, parameter in module.named_parameters(recurse=False):
                macs = measured[name].macs if key == "weight" and name in measured else 0
                self._add(name, parameter, macs, reads=key == "weight" and is_dense_layer(module))

    def _add(self, module: str, parameter: Tensor, macs: int, *, reads: bool) -> None:
        inputs, outputs = self._side(1.0), self._side(1.0)
        pairs = 1
        if module in self._outputs:
            outputs = self._side(0.0, self._outputs[module])
            pairs *= len(parameter)
        if reads and module in self._inputs:
            group, reader = self._inputs[module]
            inputs = self._side(0.0, group)
            pairs *= self._structures.groups[group].size
        row = (module, macs / pairs, parameter.numel() / pairs, inputs, outputs, self._branch.get(module, NO_BRANCH))
        self._rows.append(row)

    def _side(self, constant: float, group: int | None = None) -> Tensor:
        side = torch.zeros(self._groups + 1, dtype=torch.float64)
        side[-1] = constant
        if group is not None:
            side[group] = 1.0
        return side

    def tensors(self) -> tuple[tuple[str, ...], Tensor, Tensor, Tensor, Tensor, Tensor]:
        modules, macs, params, inputs, outputs, branch = zip(*self._rows, strict=True)
        numbers = (torch.tensor(column, dtype=torch.float64) for column in (macs, params))
        return tuple(modules), *numbers, torch.stack(inputs), torch.stack(outputs), torch.tensor(branch)

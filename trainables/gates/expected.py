"""The expected cost of a network of random structure: exact, differentiable, with prices in closed form."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainables.gates.structures import FOREIGN, Structures
from trainables.structure.channels import is_dense_layer
from trainables.structure.complexity import Complexity, LayerCost, Shape, measure

NO_BRANCH = -1
BYTES = 4
"""Of a float32 parameter."""


@dataclass(frozen=True, eq=False)
class ExpectedComplexity:
    """The expected cost of a network whose units and residual branches are independent 0/1 variables.

    A parameter tensor on branch b with `n_in` live input and `n_out` live output channels costs
    ``theta_b * unit_cost * n_in * n_out`` (arXiv 2411.09127 states the principle; the form is derived here). The
    expected numbers of live channels are sums of the units' probabilities, so the expected cost is the cost at the
    expectations; no layer reads units that it writes. There is one row per parameter tensor: `macs` and `params` [R]
    are per pair of channels; `inputs` and `outputs` [R, G + 1] are each side's channels per unit of the G groups, and a
    constant number of others, which several groups have where they are concatenated; `branch`
    [R] is the branch's index, -1 for none; `group` [U] is each unit's group. All float64 on the CPU.
    """

    modules: tuple[str, ...]
    macs: Tensor
    params: Tensor
    inputs: Tensor
    outputs: Tensor
    branch: Tensor
    group: Tensor
    branches: int
    groups: int

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, structures: Structures) -> "ExpectedComplexity":
        """Return the rows of a network as it is now, with all its units and branches live."""
        rows = list(_rows(model, input_shape, structures))
        sizes = torch.tensor([group.size for group in structures.groups], dtype=torch.long)
        return cls(
            modules=tuple(row.module for row in rows),
            macs=torch.tensor([row.macs for row in rows], dtype=torch.float64),
            params=torch.tensor([row.params for row in rows], dtype=torch.float64),
            inputs=torch.stack([row.inputs for row in rows]),
            outputs=torch.stack([row.outputs for row in rows]),
            branch=torch.tensor([row.branch for row in rows]),
            group=torch.repeat_interleave(torch.arange(len(sizes)), sizes),
            branches=len(structures.branches),
            groups=len(structures.groups),
        )

    def alive(self, units: Tensor) -> Tensor:
        """Return the expected number of units of each group, with 1 appended: [G + 1]."""
        count = torch.zeros(self.groups, dtype=torch.float64).index_add(0, self.group, units)
        return torch.cat([count, torch.ones(1, dtype=torch.float64)])

    def on_branches(self, branches: Tensor) -> Tensor:
        """Return the probability that each row's branch is kept, 1 for rows on no branch: [R]."""
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
        """Return the complexity if exactly these units and branches are kept."""
        inputs, outputs = self.channels(units.double())
        pairs = inputs * outputs * self.on_branches(branches.double())
        layers: dict[str, LayerCost] = {}
        costs = zip(self.modules, (self.macs * pairs).tolist(), (self.params * pairs).tolist(), strict=True)
        for module, macs, params in costs:
            so_far = layers.get(module, LayerCost(0, 0))
            layers[module] = LayerCost(so_far.macs + round(macs), so_far.params + round(params))
        return Complexity(layers, bytes=BYTES * sum(layer.params for layer in layers.values()))


@dataclass(frozen=True, eq=False)
class _Row:
    """The cost of one parameter tensor, per pair of channels."""

    module: str
    macs: float
    params: float
    inputs: Tensor
    outputs: Tensor
    branch: int


@dataclass(frozen=True)
class _Channels:
    """The channels on one side of a layer: `per_unit` for each unit of some groups, and `fixed` others.

    `count` is their number in the unpruned network. Where all belong to one group a channel is a unit, whatever the
    number of entries that carry it.
    """

    per_unit: Mapping[int, int] = field(default_factory=dict)
    fixed: int = 1
    count: int = 1

    def selection(self, groups: int) -> Tensor:
        """Return the vector that gives the number of channels from the live numbers and the constant 1: [G + 1]."""
        side = torch.zeros(groups + 1, dtype=torch.float64)
        for group, channels in self.per_unit.items():
            side[group] = channels
        side[groups] = self.fixed
        return side

    def joined(self, group: int, size: int, per_unit: int) -> "_Channels":
        """Return the same with `per_unit` of the fixed channels for each of a group's `size` units."""
        of_units = {**self.per_unit, group: per_unit + self.per_unit.get(group, 0)}
        return _Channels(of_units, self.fixed - size * per_unit, self.count)


UNGATED = _Channels()


def _alone(group: int, size: int) -> _Channels:
    return _Channels({group: 1}, 0, size)


def _read(structures: Structures) -> dict[str, _Channels]:
    """Return the channels that layers read, by module name."""
    reads: dict[str, _Channels] = {}
    for index, group in enumerate(structures.groups):
        for reader in group.readers:
            channels = len(reader.roots)
            if reader.reads_others:
                each = sum(root != FOREIGN for root in reader.roots) // group.size
                so_far = reads.get(reader.module, _Channels({}, channels, channels))
                reads[reader.module] = so_far.joined(index, group.size, each)
            else:
                reads[reader.module] = _alone(index, group.size)
    return reads


def _written(structures: Structures) -> dict[str, _Channels]:
    """Return the channels that modules write, or pass on as norms do, by module name."""
    writes: dict[str, _Channels] = {}
    for index, group in enumerate(structures.groups):
        writes |= dict.fromkeys(group.writers, _alone(index, group.size))
        for carrier in group.carriers:
            so_far = writes.get(carrier.module, _Channels({}, carrier.channels, carrier.channels))
            writes[carrier.module] = so_far.joined(index, group.size, carrier.per_unit)
    return writes


def _rows(model: nn.Module, input_shape: Shape, structures: Structures) -> Iterator[_Row]:
    """Yield a row for every parameter tensor of the network, and for products of activations with each other."""
    measured = measure(model, input_shape).layers
    branch = {name: index for index, branch in enumerate(structures.branches) for name in branch.modules}
    writes, reads = _written(structures), _read(structures)
    for name, module in model.named_modules():
        parameters = dict(module.named_parameters(recurse=False))
        written = writes.get(name, UNGATED)
        if name in measured and "weight" not in parameters:
            yield _row_of_products(name, measured[name].macs, written, _branch_around(module, name, branch), structures)
        for key, parameter in parameters.items():
            is_weight = key == "weight" and name in measured
            read = reads.get(name, UNGATED) if is_weight and is_dense_layer(module) else UNGATED
            pairs = read.count * written.count
            yield _Row(
                module=name,
                macs=measured[name].macs / pairs if is_weight else 0.0,
                params=parameter.numel() / pairs,
                inputs=read.selection(len(structures.groups)),
                outputs=written.selection(len(structures.groups)),
                branch=branch.get(name, NO_BRANCH),
            )


def _branch_around(module: nn.Module, name: str, branch: Mapping[str, int]) -> int | None:
    """Return the branch of all of a module's layers, on which are its own products too; None if there is none."""
    layers = {parameter.rpartition(".")[0] for parameter, _ in module.named_parameters(prefix=name)}
    found = {branch.get(layer) for layer in layers}
    return found.pop() if len(found) == 1 else None


def _row_of_products(module: str, macs: int, written: _Channels, branch: int | None, structures: Structures) -> _Row:
    """Return the row of attention's products of activations with each other: per head, if they are gated."""
    of_heads = next((structures.groups[group].branch for group in written.per_unit), None)
    groups = len(structures.groups)
    return _Row(
        module=module,
        macs=macs / written.count,
        params=0.0,
        inputs=UNGATED.selection(groups),
        outputs=written.selection(groups),
        branch=of_heads if of_heads is not None else NO_BRANCH if branch is None else branch,
    )

"""0/1 gates on a network's units and residual branches, applied from outside by hooks."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.gates.pairs import Pair
from trainables.gates.rounding import Kept
from trainables.gates.structures import FOREIGN, Reader, Structures
from trainables.training.capture import is_possible


class Gates:
    """Multiplies units where they are read, and residual branches where they end, by 0/1 masks.

    In evaluation, and in training unless `hold` gives other masks, the masks are those set by `round`, and the network
    is deterministic. The model itself is never edited; `remove` removes the hooks.

    Masks of only ones cost nothing. But once some mask is of another kind, all are multiplied by if gates are `steady`,
    as they are by default where steps can be captured: so captures are void once, and not with each mask that follows.
    """

    def __init__(self, model: nn.Module, structures: Structures, *, steady: bool | None = None) -> None:
        self._structures = structures
        self._device = next(model.parameters()).device
        self._steady = is_possible(self._device.type) if steady is None else steady
        self._sizes = [*(group.size for group in structures.groups), *[1] * len(structures.branches)]
        self._row: Tensor | None = None
        self._versions = 0
        self._rounded: list[Tensor | None] = [None] * len(self._sizes)
        self._held: list[Tensor | None] | None = None
        read: dict[str, list[_Read]] = {}
        for index, group in enumerate(structures.groups):
            for reader in group.readers:
                read.setdefault(reader.module, []).append(_Read.of(index, group.size, reader, self._device))
        self._hooks = [
            model.get_submodule(module).register_forward_pre_hook(self._unit_hook(groups))
            for module, groups in read.items()
        ]
        self._hooks += [
            model.get_submodule(branch.last).register_forward_hook(self._branch_hook(len(structures.groups) + index))
            for index, branch in enumerate(structures.branches)
        ]

    def round(self, kept: Kept) -> None:
        """Turn on exactly these units and branches, in evaluation and in steps without other masks."""
        self.scale(kept)

    def scale(self, values: Pair) -> None:
        """Multiply units and branches by these values, in evaluation and in steps without other masks."""
        row = torch.cat(values)[None]
        partly = [not bool((part == 1).all()) for part in row.split(self._sizes, dim=1)]
        if self._steady and (any(partly) or any(self._partly)):
            partly = [True] * len(partly)
        row = sent(row.float(), self._device)
        if self._row is not None and partly == self._partly and not (self._row.requires_grad or row.requires_grad):
            self._row.copy_(row)
            return
        self._row, self._versions = row, self._versions + 1
        parts = self._row.split(self._sizes, dim=1)
        self._rounded = [part if some else None for part, some in zip(parts, partly, strict=True)]

    @property
    def _partly(self) -> list[bool]:
        return [part is not None for part in self._rounded]

    @property
    def pattern(self) -> Hashable:
        """What equals itself as long as the same tensors gate the same places; their values may change."""
        return self._versions if any(self._partly) else 0

    def hold(self, masks: Tensor | None) -> None:
        """Use these 0/1 masks [B or 1, U + branches] in training from now on, or with None those of `round` again."""
        self._held = None if masks is None else list(torch.split(masks, self._sizes, dim=1))

    def hold_part(self, index: int, mask: Tensor) -> None:
        """Use this 0/1 mask [B or 1, n] in training for one of the groups or branches, which have one index in all.

        Gates that depend on what the network computes are set so one by one, while it runs.
        """
        if self._held is None:
            self._held = [None] * len(self._sizes)
        self._held[index] = mask

    def remove(self) -> None:
        """Remove the gates from the network."""
        for hook in self._hooks:
            hook.remove()

    def _mask(self, index: int, *, training: bool) -> Tensor | None:
        return self._held[index] if training and self._held is not None else self._rounded[index]

    def _unit_hook(self, groups: Sequence["_Read"]) -> Callable[[nn.Module, Any], Tensor | None]:
        def gate(module: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
            masks = [(group, self._mask(group.index, training=module.training)) for group in groups]
            spread = [group.spread(mask) for group, mask in masks if mask is not None]
            if not spread:
                return None
            scale = _scale_last if isinstance(module, nn.Linear) else _scale
            return scale(inputs[0], reduce(torch.mul, spread))

        return gate

    def _branch_hook(self, index: int) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def gate(module: nn.Module, _: Any, output: Tensor) -> Tensor | None:
            mask = self._mask(index, training=module.training)
            return None if mask is None else _scale(output, mask)

        return gate


@dataclass(frozen=True, eq=False)
class _Read:
    """The group `index` as a layer reads it: `roots` is the unit of each input, None if they are all in order.

    With `others` inputs of other groups have the number after the last unit's.
    """

    index: int
    roots: Tensor | None
    others: bool

    @classmethod
    def of(cls, index: int, size: int, reader: Reader, device: torch.device) -> "_Read":
        if reader.roots == tuple(range(size)):
            return cls(index, None, others=False)
        roots = [size if root == FOREIGN else root for root in reader.roots]
        return cls(index, torch.tensor(roots, device=device), reader.reads_others)

    def spread(self, mask: Tensor) -> Tensor:
        """Return what the layer's inputs [B or 1, C] are multiplied by for a mask of the units [B or 1, n]."""
        if self.roots is None:
            return mask
        return (F.pad(mask, (0, 1), value=1.0) if self.others else mask).index_select(1, self.roots)


def _scale(x: Tensor, mask: Tensor) -> Tensor:
    """Multiply x [B, C, ...] by a mask [B or 1, C or 1] in the type of x, so that autocast keeps the type narrow."""
    return x * mask.to(x.dtype).reshape(*mask.shape, *[1] * (x.ndim - 2))


def _scale_last(x: Tensor, mask: Tensor) -> Tensor:
    """Multiply x [B, ..., C], as linear layers read it, by a mask [B or 1, C] in the type of x."""
    return x * mask.to(x.dtype).reshape(len(mask), *[1] * (x.ndim - 2), -1)


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Return values on a device; nothing waits until those made on the CPU are there, unless gradients flow back."""
    pins = device.type == "cuda" and values.device.type == "cpu" and not values.requires_grad
    return values.pin_memory().to(device, non_blocking=True) if pins else values.to(device)


def draw(theta: Tensor, rounded: Tensor, rows: int, share: float, generator: torch.Generator) -> Tensor:
    """Draw 0/1 masks [rows, n] for probabilities `theta` [n].

    An entry is Bernoulli(theta) with probability `share`, otherwise the boolean `rounded` [n]. With a share below 1 the
    expectation is under share * theta + (1 - share) * rounded: less noise, but the objective holds only approximately.
    """
    chance = torch.rand(rows, len(theta), generator=generator)
    return torch.where(chance < share, chance < share * theta.float(), rounded).float()

"""0/1 gates on a network's units and residual branches, laid on from outside by hooks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainables.structures import Reader, Structures


class Gates:
    """Multiplies units where they are read, and residual branches where they end, by 0/1 masks.

    In evaluation, and whenever no other masks are given, the masks are those set by `round`: the network is
    deterministic. Within `sampled` other masks hold. Masks that are all one cost nothing. `remove` takes the hooks
    off; the model itself is never edited.
    """

    def __init__(self, model: nn.Module, structures: Structures) -> None:
        self._structures, self._slices = structures, structures.slices()
        self._device = next(model.parameters()).device
        self._rounded: list[Tensor | None] = [None] * (len(structures.groups) + len(structures.branches))
        self._sampled: list[Tensor] | None = None
        self._hooks = [
            model.get_submodule(reader.module).register_forward_pre_hook(self._unit_hook(index, reader))
            for index, group in enumerate(structures.groups)
            for reader in group.readers
        ]
        self._hooks += [
            model.get_submodule(branch.last).register_forward_hook(self._branch_hook(len(structures.groups) + index))
            for index, branch in enumerate(structures.branches)
        ]

    def round(self, units: Tensor, branches: Tensor) -> None:
        """Let the boolean masks [U] and [B] hold in evaluation and in steps without samples."""
        parts = [units[part] for part in self._slices] + list(branches.unbind())
        self._rounded = [
            None if bool(part.all()) else part.reshape(1, -1).to(self._device, torch.float32) for part in parts
        ]

    def sample(self, masks: Tensor | None) -> None:
        """Let masks [B or 1, U + number of branches] hold in training from now on; None ends it."""
        sizes = [group.size for group in self._structures.groups] + [1] * len(self._structures.branches)
        self._sampled = None if masks is None else list(masks.split(sizes, dim=1))

    def remove(self) -> None:
        """Take the gates off the network."""
        for hook in self._hooks:
            hook.remove()

    def _mask(self, index: int, training: bool) -> Tensor | None:
        return self._sampled[index] if training and self._sampled is not None else self._rounded[index]

    def _unit_hook(self, index: int, reader: Reader) -> Callable[[nn.Module, Any], Any]:
        whole = reader.roots == tuple(range(self._structures.groups[index].size))
        roots = None if whole else torch.tensor(reader.roots, device=self._device)

        def gate(module: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
            mask = self._mask(index, module.training)
            if mask is None:
                return None
            return _scale(inputs[0], mask if roots is None else mask.index_select(1, roots))

        return gate

    def _branch_hook(self, index: int) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
        def gate(module: nn.Module, _: Any, output: Tensor) -> Tensor | None:
            mask = self._mask(index, module.training)
            return None if mask is None else _scale(output, mask)

        return gate


def _scale(x: Tensor, mask: Tensor) -> Tensor:
    """Multiply x [B, C, ...] by a mask [B or 1, C or 1] in the type of x, lest autocast widens what follows."""
    return x * mask.to(x.dtype).reshape(*mask.shape, *[1] * (x.ndim - 2))


def draw(probabilities: Tensor, rows: int, share: float, generator: torch.Generator) -> Tensor:
    """Draw 0/1 masks [rows, n] for probabilities [n].

    Each entry is Bernoulli(theta) with probability `share`, else 1 if theta > 1/2; with a share below 1 the
    expectation is taken under share * theta + (1 - share) * [theta > 1/2], so that the noise in training is less.
    """
    theta = probabilities.float()
    uniform = torch.rand(rows, len(theta), generator=generator)
    return torch.where(uniform < share, uniform < share * theta, theta > 0.5).float()

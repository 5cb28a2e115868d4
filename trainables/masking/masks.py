"""Masks that hold: fixed 0/1 tensors on parameters, applied again after every optimizer step."""

from collections.abc import Mapping
from operator import is_

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

_PRUNABLE: Mapping[tuple[type[nn.Module], ...], tuple[str, ...]] = {
    (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d): ("weight",),
    (nn.MultiheadAttention,): ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
}


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the weights of all convolutions and linear layers by parameter name, in the network's order.

    The projections of queries, keys and values of torch's attention are such layers, in one weight [3 E, E] if all
    three have the same size.
    """
    named = {
        f"{name}.{key}" if name else key: getattr(module, key, None)
        for name, module in model.named_modules()
        for kinds, keys in _PRUNABLE.items()
        if isinstance(module, kinds)
        for key in keys
    }
    return {name: weight for name, weight in named.items() if isinstance(weight, nn.Parameter)}


class Masks:
    """The 0/1 masks of a network, by parameter name; parameters without an entry are whole.

    A masked parameter is zero wherever its mask is, from `set` on; training calls `apply` after every optimizer
    step, because momentum and weight decay move what is masked. Gradients are left alone: methods that grow weights
    back need the dense ones.
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor] | None = None) -> None:
        self._model = model
        self._masks: dict[str, Tensor] = {}
        self._masked: list[Tensor] = []
        self.pattern = object()
        self.set(masks or {})

    def set(self, masks: Mapping[str, Tensor]) -> None:
        """Replace all masks and apply them; each has its parameter's shape.

        Masks of the same parameters as before are written over them, so that a captured step applies the new ones;
        `pattern` is another object after a change that it cannot follow.
        """
        parameters = dict(self._model.named_parameters())
        masked: list[Tensor] = [parameters[name] for name in masks]
        if list(masks) == list(self._masks) and all(map(is_, masked, self._masked)):
            for name, mask in self._masks.items():
                mask.copy_(masks[name])
        else:
            self._masked, self.pattern = masked, object()
            named = zip(masks.items(), masked, strict=True)
            self._masks = {name: mask.to(parameter, copy=True) for (name, mask), parameter in named}
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Set the masked entries to zero."""
        if self._masks:
            torch._foreach_mul_(self._masked, list[Tensor](self._masks.values()))

    @torch.no_grad()
    def forget(self, optimizer: Optimizer) -> None:
        """Make zero what the optimizer remembers of masked entries, so that none comes back with momentum."""
        for parameter, mask in zip(self._masked, self._masks.values(), strict=True):
            for value in optimizer.state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    value.mul_(mask)

    def items(self) -> Mapping[str, Tensor]:
        """Return the masks by parameter name, floats in the parameters' type."""
        return self._masks

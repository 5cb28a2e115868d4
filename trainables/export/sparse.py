"""Whether storing zeros sparsely makes a masked network faster on this machine: CSR on the CPU, 2:4 on a GPU.

Neither is a file: torch.export refuses both kinds of tensors, so what is measured here is only reported.
"""

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor, nn

from trainables.export.speed import seconds
from trainables.masking.masks import prunable_weights

FEWEST_ZEROS: Final = 0.5
"""The share of zeros from which a layer is stored sparsely: below it, that cannot pay."""

BATCH: Final = 32
"""The images of a batch on which sparse layers are measured: for a single one, their overhead is all that counts."""

Layout = Literal["CSR", "2:4"]


@dataclass(frozen=True)
class Gain:
    """What one sparse layout would do for a network here.

    `speedup` is the time of the network as it is over that with sparse layers, on a batch of `BATCH` images; None, with
    the reason in `why`, where it could not be measured.
    """

    layout: Layout
    layers: int
    speedup: float | None
    why: str = ""


def zeros(model: nn.Module) -> float:
    """Return the share of zeros among the weights of a network's convolutions and linear layers."""
    weights = prunable_weights(model).values()
    total = sum(weight.numel() for weight in weights)
    return 1 - sum(int(weight.count_nonzero()) for weight in weights) / max(1, total)


def gains(model: nn.Module, input_shape: tuple[int, ...]) -> tuple[Gain, ...]:
    """Return what CSR and 2:4 would do for a masked network on this machine."""
    return (_csr(model, input_shape), _two_of_four(model, input_shape))


def _csr(model: nn.Module, input_shape: tuple[int, ...]) -> Gain:
    sparse = _sparse_linears(model)
    if not sparse:
        return Gain("CSR", 0, None, "is for linear layers, and none is sparse: PyTorch has no sparse convolution")
    replaced = _replaced(model, {name: CsrLinear(layer) for name, layer in sparse.items()})
    before, after = seconds([model, replaced], torch.randn(BATCH, *input_shape))
    return Gain("CSR", len(sparse), before / after)


def _two_of_four(model: nn.Module, input_shape: tuple[int, ...]) -> Gain:
    fitting = {name: layer for name, layer in _sparse_linears(model).items() if is_two_of_four(layer.weight)}
    if not fitting:
        return Gain("2:4", 0, None, "needs linear layers with at most two weights in every four; there are none")
    if not torch.cuda.is_available():
        return Gain("2:4", len(fitting), None, "needs a CUDA GPU, and there is none here")
    return _on_gpu(model, input_shape, fitting)


def _on_gpu(model: nn.Module, input_shape: tuple[int, ...], fitting: Mapping[str, nn.Linear]) -> Gain:
    half = copy.deepcopy(model).half().cuda()
    try:
        replaced = _replaced(half, {name: SemiStructuredLinear(half.get_submodule(name)) for name in fitting})
        before, after = seconds([_awaited(half), _awaited(replaced)], torch.randn(BATCH, *input_shape).half().cuda())
    except RuntimeError as error:
        return Gain("2:4", len(fitting), None, f"is refused by this GPU: {str(error).partition(chr(10))[0]}")
    return Gain("2:4", len(fitting), before / after)


def _awaited(model: nn.Module) -> Callable[[Tensor], Tensor]:
    def run(batch: Tensor) -> Tensor:
        output: Tensor = model(batch)
        torch.cuda.synchronize()
        return output

    return run


class CsrLinear(nn.Module):
    """A linear layer whose weight is stored by rows of what is not zero."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        with _without_notices():
            self.weight = nn.Parameter(layer.weight.detach().to_sparse_csr(), requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        product = (self.weight @ rows.t()).t().reshape(*x.shape[:-1], -1)
        return product if self.bias is None else product + self.bias


class SemiStructuredLinear(nn.Module):
    """A linear layer that stores two of every four weights, in half precision on a GPU."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        assert isinstance(layer, nn.Linear)
        with _without_notices():
            weight = torch.sparse.to_sparse_semi_structured(layer.weight.detach())
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = layer.bias

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


@contextmanager
def _without_notices() -> Iterator[None]:
    """Leave out PyTorch's notices that sparse tensors are in beta or a prototype."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_two_of_four(weight: Tensor) -> bool:
    """Return whether at most two of every four neighbouring weights of a row are not zero."""
    rows, columns = weight.shape
    return columns % 4 == 0 and bool((weight.reshape(rows, -1, 4).count_nonzero(2) <= 2).all())


def _sparse_linears(model: nn.Module) -> dict[str, nn.Linear]:
    return {
        name: layer
        for name, layer in model.named_modules()
        if type(layer) is nn.Linear and 1 - int(layer.weight.count_nonzero()) / layer.weight.numel() >= FEWEST_ZEROS
    }


def _replaced(model: nn.Module, layers: Mapping[str, nn.Module]) -> nn.Module:
    other = copy.deepcopy(model)
    for name, layer in layers.items():
        other.set_submodule(name, layer)
    return other

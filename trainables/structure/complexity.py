"""What a network costs: multiply-accumulates (MACs), parameters, bytes, seconds."""

import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trainables.modes import modes_kept

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class LayerCost:
    """The cost of one module itself, without its submodules, for one image."""

    macs: int
    params: int


@dataclass(frozen=True)
class Complexity:
    """The cost of a network for one image, module by module.

    MACs are those of convolutions, matrix products and attention; biases, normalisation, activations and pooling
    count nothing, as in the literature. `bytes` is what the parameters occupy.
    """

    layers: Mapping[str, LayerCost]
    bytes: int

    @property
    def macs(self) -> int:
        return sum(layer.macs for layer in self.layers.values())

    @property
    def params(self) -> int:
        return sum(layer.params for layer in self.layers.values())


def measure(model: nn.Module, input_shape: Shape) -> Complexity:
    """Count the network as it is, with torch's flop counter (two flops are one MAC).

    Runs it once on a blank image in evaluation mode; modes, gradients and buffers are as before.
    """
    return effective(model, input_shape, {})


def effective(model: nn.Module, input_shape: Shape, masks: Mapping[str, Tensor]) -> Complexity:
    """Count the network as if masked weights cost nothing.

    `masks` maps names of parameters to 0/1 tensors of their shapes; parameters without a mask count in full. A
    module's MACs are scaled by the density of its `weight`, which is exact for convolutions and linear layers, since
    they use every weight equally often; attention counts in full. Raises ValueError for a mask of no parameter.
    """
    parameters = dict(model.named_parameters())
    if unknown := masks.keys() - parameters.keys():
        raise ValueError(f"masks of no parameter of {type(model).__name__}: {', '.join(sorted(unknown))}")
    alive = {name: int(masks[name].count_nonzero()) if name in masks else p.numel() for name, p in parameters.items()}
    density = {_module(name): Fraction(alive[name], parameters[name].numel()) for name in alive if _is_weight(name)}
    macs, params = _macs(model, input_shape), Counter[str]()
    for name, count in alive.items():
        params[_module(name)] += count
    layers = {
        module: LayerCost(int(macs[module] * density.get(module, 1)), params[module])
        for module, _ in model.named_modules()
        if macs[module] or params[module]
    }
    return Complexity(layers, sum(alive[name] * p.element_size() for name, p in parameters.items()))


def latency(
    model: nn.Module,
    input_shape: Shape,
    *,
    batch: int = 1,
    device: str | torch.device = "cpu",
    warmup: int = 5,
    runs: int = 30,
) -> float:
    """Return the median seconds of `runs` forward passes of `batch` images on `device`, after `warmup` unmeasured ones.

    A copy of the network is measured, in evaluation mode, on as many threads as torch has at the moment.
    """
    copied = copy.deepcopy(model).to(device).eval()
    images = torch.zeros(batch, *input_shape, device=device, dtype=next(model.parameters()).dtype)
    with torch.inference_mode():
        seconds = [_seconds(lambda: copied(images), torch.device(device)) for _ in range(warmup + runs)]
    return statistics.median(seconds[warmup:])


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    _synchronize(device)
    start = time.perf_counter()
    run()
    _synchronize(device)
    return time.perf_counter() - start


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _module(parameter: str) -> str:
    return parameter.rpartition(".")[0]


def _is_weight(parameter: str) -> bool:
    return parameter.rpartition(".")[2] == "weight"


def _macs(model: nn.Module, input_shape: Shape) -> Counter[str]:
    """Return the MACs that each module does itself, by its name."""
    parameter = next(model.parameters())
    image = torch.zeros(1, *input_shape, device=parameter.device, dtype=parameter.dtype)
    with modes_kept(model), _composite_attention(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(image)
    root = type(model).__name__
    flops = {
        f".{name}".removeprefix(f".{root}").lstrip("."): sum(counts.values())
        for name, counts in counter.get_flop_counts().items()
        if name != "Global"
    }
    own = Counter(flops)
    for name, count in flops.items():
        if name:
            own[_nearest_ancestor(name, flops)] -= count
    return Counter({name: count // 2 for name, count in own.items()})


def _nearest_ancestor(name: str, known: Mapping[str, int]) -> str:
    """Return the module around `name` that was called itself (containers such as ModuleList are not)."""
    parent = _module(name)
    return parent if parent in known else _nearest_ancestor(parent, known)


@contextmanager
def _composite_attention() -> Iterator[None]:
    """Keep attention from its fused kernels, not all of which the flop counter knows."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)

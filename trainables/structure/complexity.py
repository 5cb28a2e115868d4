"""The cost of a network: multiply-accumulates (MACs), parameters, bytes, seconds."""

import copy
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from trainables.modes import composite_attention, modes_kept
from trainables.structure.attention import Heads, find_heads

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class LayerCost:
    """The cost of one module itself, without its submodules, for one image: products with its own parameters count."""

    macs: int
    params: int


@dataclass(frozen=True)
class Complexity:
    """The cost of a network for one image, module by module.

    MACs are those of convolutions, matrix products and attention; biases, normalisation, activations and pooling are
    not counted, as in the literature. `bytes` is the size of the parameters.
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

    Runs it once on a blank image in evaluation mode; modes, gradients and buffers are left unchanged.
    """
    return effective(model, input_shape, {})


def effective(model: nn.Module, input_shape: Shape, masks: Mapping[str, Tensor]) -> Complexity:
    """Count the network as if masked weights cost nothing, whichever module multiplies by them.

    `masks` maps names of parameters to 0/1 tensors of their shapes; parameters without a mask count in full. The MACs
    of a convolution or matrix product with a parameter or a part of it are counted for the module that holds the
    parameter, scaled by the density of that part: this is exact, since every weight is used equally often. Products of
    activations with each other, as in attention, count in full, except those of masked heads (`attention.py`); so
    do weights that the network transforms into a copy before multiplying. Raises ValueError for a mask that belongs to
    no parameter.
    """
    parameters = dict(model.named_parameters())
    if unknown := masks.keys() - parameters.keys():
        raise ValueError(f"masks of no parameter of {type(model).__name__}: {', '.join(sorted(unknown))}")
    alive = {name: int(masks[name].count_nonzero()) if name in masks else p.numel() for name, p in parameters.items()}
    multiplied = _Multiplied(parameters, masks)
    macs: Counter[str] = _unowned_macs(model, input_shape, multiplied)
    params = Counter[str]()
    for name, count in alive.items():
        params[_module(name)] += count
    for heads in find_heads(model):
        if (mask := masks.get(f"{heads.qkv}.weight")) is not None:
            macs[heads.module] = macs[heads.module] * heads.alive(mask) // heads.count
    for module, by_weights in _by_module(multiplied.macs).items():
        macs[module] += int(by_weights)
    layers = {
        module: LayerCost(macs[module], params[module])
        for module, _ in model.named_modules()
        if macs[module] or params[module]
    }
    return Complexity(layers, sum(alive[name] * p.element_size() for name, p in parameters.items()))


@dataclass(frozen=True)
class Size:
    """The MACs and the parameters of a network for one image."""

    macs: int
    params: int

    def less(self, macs: int, params: int) -> "Size":
        """Return a size that is smaller by that much."""
        return Size(self.macs - macs, self.params - params)


@dataclass(frozen=True)
class SizeRange:
    """The least and the most that a network will cost; MACs and parameters each by themselves."""

    least: Size
    most: Size


@dataclass(frozen=True)
class ParameterCosts:
    """What each parameter of a network costs, so that the cost of a pruned one is arithmetic, without running it.

    `entries` are the sizes of the parameters, `macs` the products with each of a parameter's entries, both by name;
    `attention` are the products of activations in layers whose `heads` can be removed, by the name of the weight that
    computes the heads, and `others` all remaining products.
    """

    entries: Mapping[str, int]
    macs: Mapping[str, Fraction | int]
    heads: Mapping[str, Heads]
    attention: Mapping[str, int]
    others: int

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape) -> "ParameterCosts":
        """Count a network, which is run once, on the device that it is on; the meta device will do."""
        multiplied = _Multiplied(dict(model.named_parameters()), {})
        unowned = _unowned_macs(model, input_shape, multiplied)
        heads = {f"{found.qkv}.weight": found for found in find_heads(model)}
        attention = {weight: unowned[found.module] for weight, found in heads.items()}
        entries = {name: parameter.numel() for name, parameter in model.named_parameters()}
        others = sum(unowned.values()) - sum(attention.values())
        each = {name: count / entries[name] for name, count in multiplied.macs.items()}
        macs = {name: count.numerator if count.denominator == 1 else count for name, count in each.items()}
        return cls(entries, macs, heads, attention, others)

    @cached_property
    def _by_module(self) -> Sequence[Sequence[str]]:
        """The parameters that are multiplied by, together with the others of their module: `effective` rounds there."""
        names: dict[str, list[str]] = defaultdict(list)
        for name in self.macs:
            names[_module(name)].append(name)
        return tuple(names.values())

    @property
    def products(self) -> int:
        """The MACs of products of activations with each other."""
        return self.others + sum(self.attention.values())

    def size(self, kept: Mapping[str, int], heads: Mapping[str, int] | None = None) -> Size:
        """Return what `effective` counts if so many entries of the parameters, and so many heads, are left.

        Parameters that are not in `kept`, and the heads of weights that are not in `heads`, are whole.
        """
        entries, left = {**self.entries, **kept}, heads or {}
        weights = sum(int(sum(self.macs[name] * entries[name] for name in module)) for module in self._by_module)
        attention = sum(
            macs * left.get(name, self.heads[name].count) // self.heads[name].count
            for name, macs in self.attention.items()
        )
        return Size(weights + attention + self.others, sum(entries.values()))


class _Multiplied:
    """Finds the parameter that each operation multiplies by; `macs` are those with unmasked weights, by parameter name.

    A parameter is recognised by its storage, so that transposed, reshaped and partial views are found as well.
    """

    def __init__(self, parameters: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
        self._parameters = parameters
        self._storages = {name: parameter.untyped_storage() for name, parameter in parameters.items()}
        self._names = {id(storage): name for name, storage in self._storages.items()}
        self._masks = {name: _laid_out_as(parameters[name], mask) for name, mask in masks.items()}
        self.macs: dict[str, Fraction] = defaultdict(Fraction)

    def formulas(self) -> dict[Any, Callable[..., int]]:
        """Return torch's flop formulas, made to count products with a parameter in `macs` and return the others."""
        return {operation: self._without_parameters(formula) for operation, formula in flop_registry.items()}

    def _without_parameters(self, formula: Callable[..., int]) -> Callable[..., int]:
        def flops(*operands: Any, **options: Any) -> int:
            count = formula(*operands, **options)
            factors = (factor for factor in operands[::-1] if isinstance(factor, Tensor) and factor.dim() > 1)
            for factor in factors:  # weights come last, biases have one dimension
                name = self._names.get(id(factor.untyped_storage()))
                if name is not None:
                    self.macs[name] += Fraction(count, 2) * self._density(name, factor)
                    return 0
            return count

        flops._get_raw = True  # type: ignore[attr-defined] # torch's mark for a formula of tensors instead of shapes
        return flops

    def _density(self, name: str, factor: Tensor) -> Fraction:
        if name not in self._masks:
            return Fraction(1)
        mask, parameter = self._masks[name], self._parameters[name]
        if mask.stride() == parameter.stride():
            offset = factor.storage_offset() - parameter.storage_offset()
            mask = mask.as_strided(factor.shape, factor.stride(), offset)
        return Fraction(int(mask.count_nonzero()), mask.numel())


def _laid_out_as(parameter: Tensor, mask: Tensor) -> Tensor:
    return torch.empty_like(parameter, dtype=torch.bool, device=mask.device, requires_grad=False).copy_(mask)


def _by_module(macs: Mapping[str, Fraction]) -> dict[str, Fraction]:
    summed: dict[str, Fraction] = defaultdict(Fraction)
    for name, count in macs.items():
        summed[_module(name)] += count
    return summed


def latency(
    model: nn.Module,
    input_shape: Shape,
    *,
    batch: int = 1,
    device: str | torch.device = "cpu",
    warmup: int = 5,
    runs: int = 30,
    images: Tensor | None = None,
) -> float:
    """Return the median seconds of `runs` forward passes of `batch` images on `device`, after `warmup` unmeasured ones.

    A copy of the network is measured, in evaluation mode, on as many threads as torch has at the moment. The images are
    blank, or each pass has the next ones of `images` [N, C, H, W], from the first again where they end.
    """
    copied = copy.deepcopy(model).to(device).eval()
    blank = torch.zeros(batch, *input_shape, dtype=next(model.parameters()).dtype) if images is None else images
    batches = cycle(blank.to(device).split(batch))
    with torch.inference_mode():
        seconds = [_seconds(partial(copied, next(batches)), torch.device(device)) for _ in range(warmup + runs)]
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


def _unowned_macs(model: nn.Module, input_shape: Shape, multiplied: _Multiplied) -> Counter[str]:
    """Run the network once; return each module's own MACs that involve no parameter, by module name."""
    parameter = next(model.parameters())
    image = torch.zeros(1, *input_shape, device=parameter.device, dtype=parameter.dtype)
    counting = FlopCounterMode(display=False, custom_mapping=multiplied.formulas())
    with modes_kept(model), composite_attention(), torch.no_grad(), counting as counter:
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
    """Return the nearest module around `name` that was itself called (containers such as ModuleList are not)."""
    parent = _module(name)
    return parent if parent in known else _nearest_ancestor(parent, known)

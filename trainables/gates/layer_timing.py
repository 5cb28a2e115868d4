"""Measures how long the layers of a network take at several widths, on the device on which it is to be fast."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.gates.structures import Structures
from trainables.modes import modes_kept
from trainables.structure.channels import is_dense_layer
from trainables.structure.complexity import latency
from trainables.structure.layer_times import LayerTime, LayerTimes
from trainables.structure.removal import take_shapes

if TYPE_CHECKING:
    from trainables.state import LiveTrial

SHARES = (0.25, 0.5, 0.75)
"""The widths at which a layer is measured beside 1 and its own, as shares of its own; each with one unit more, too.

Times are staircases of as many units as an instruction takes at once: the unit after a round number costs a step.
"""

RUNS = 15
"""How often each layer is run at each width; the median counts."""

WARMUP = 3
"""How many runs come before those."""


WHOLE = "(whole)"
"""Stands beside the names of layers for the network itself; no module can be called so."""


def measure_layer_times(trial: "LiveTrial", structures: Structures) -> LayerTimes:
    """Return the times of the trial's network, for as many images and on the device that its spec says for latency.

    Layers of one kind, shape and width are measured once. Of several processes the first one's times count.
    """
    how, shape = trial.spec.latency, trial.dataset.input_shape
    device = trial.context.device if how.device == "trial" else how.device
    with parallel.alone():
        layers = list(_layers(trial.model, structures, _calls(trial, how.batch)))
        whole = partial(latency, trial.model, shape, batch=how.batch, device=device, runs=RUNS)
        before, watch = whole(), _Watch(how.batch, device)
        times = {layer.name: layer.times(watch) for layer in layers}
        seconds = (before + whole()) / 2
    times = _with_rest({layer.name: layer.entries for layer in layers}, times, seconds)
    measured = {name: time.seconds for name, time in times.items()} | {WHOLE: torch.tensor([seconds])}
    agreed = parallel.agree({name: value.to(trial.context.device) for name, value in measured.items()})
    same = {name: replace(time, seconds=agreed[name].cpu()) for name, time in times.items()}
    return LayerTimes(same, float(agreed[WHOLE]))


def _with_rest(entries: Mapping[str, int], times: Mapping[str, LayerTime], whole: float) -> dict[str, LayerTime]:
    """Return times to which all else that a network does is added: in shares of the `entries` that each layer writes.

    Activations, sums and poolings take time by the entries that they work on.
    """
    rest = max(0.0, whole - sum(float(time.seconds[-1, -1]) for time in times.values()))
    added = {}
    for name, time in times.items():
        share = torch.tensor(time.outputs, dtype=torch.float64) / time.outputs[-1]
        added[name] = replace(time, seconds=time.seconds + rest * entries[name] / sum(entries.values()) * share)
    return added


class _Watch:
    """Measures modules on blank inputs; what looks alike is measured once."""

    def __init__(self, batch: int, device: str) -> None:
        self._batch, self._device = batch, device
        self._known: dict[tuple[str, torch.Size], float] = {}

    def seconds(self, module: nn.Module, images: Tensor) -> float:
        alike = (str(module), images.shape)
        if alike not in self._known:
            self._known[alike] = latency(
                module, (1, 1, 1), batch=self._batch, device=self._device, warmup=WARMUP, runs=RUNS, images=images
            )
        return self._known[alike]


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer, an input of it, how often it is called, how many entries it writes, and how many units of groups.

    It reads `inputs` units and writes `outputs`: 1 without a group.
    """

    name: str
    module: nn.Module
    images: Tensor
    calls: int
    entries: int
    inputs: int
    outputs: int

    def times(self, watch: _Watch) -> LayerTime:
        inputs, outputs = _widths(self.inputs), _widths(self.outputs)
        seconds = [
            [self.calls * watch.seconds(*self._narrowed(read, written)) for written in outputs] for read in inputs
        ]
        return LayerTime(inputs, outputs, torch.tensor(seconds, dtype=torch.float64))

    def _narrowed(self, read: int, written: int) -> tuple[nn.Module, Tensor]:
        """Return the layer with so many units on both sides, and an input for it."""
        of_inputs, of_outputs = read / self.inputs, written / self.outputs
        is_dense, side = is_dense_layer(self.module), -1 if isinstance(self.module, nn.Linear) else 1
        channels = _part(self.images.shape[side], of_inputs if is_dense else of_outputs)
        narrow = copy.deepcopy(self.module)
        columns = channels if is_dense else None
        take_shapes(narrow, {name: _first(value, of_outputs, columns) for name, value in narrow.state_dict().items()})
        layout = torch.channels_last if _is_channels_last(self.images) else torch.contiguous_format
        return narrow, self.images.narrow(side, 0, channels).contiguous(memory_format=layout)


def _is_channels_last(images: Tensor) -> bool:
    return images.dim() == 4 and images.is_contiguous(memory_format=torch.channels_last)


def _part(count: int, share: float) -> int:
    """Return the share of so many channels; at least one."""
    return max(1, round(share * count))


def _first(value: Tensor, of_outputs: float, columns: int | None) -> Tensor:
    """Return the first entries of a parameter or statistic: a share of its outputs, and so many columns of a matrix."""
    shorter = value[: _part(len(value), of_outputs)] if value.dim() else value
    return (shorter[:, :columns] if columns is not None and value.dim() > 1 else shorter).clone()


def _widths(units: int) -> tuple[int, ...]:
    inner = [_part(units, share) for share in SHARES]
    return tuple(sorted({1, *inner, *(min(units, width + 1) for width in inner), units}))


@dataclass(frozen=True, eq=False)
class _Call:
    """What a layer read when it was called, and how many entries it wrote."""

    images: Tensor
    entries: int


def _layers(model: nn.Module, structures: Structures, calls: Mapping[str, list[_Call]]) -> Iterator[_Layer]:
    """Yield the layers that have parameters and were called."""
    writes = {name: group.size for group in structures.groups for name in group.writers}
    reads = {reader.module: group.size for group in structures.groups for reader in group.readers}
    modules = dict(model.named_modules())
    for name, of_layer in calls.items():
        module = modules[name]
        read = reads.get(name, 1) if is_dense_layer(module) else 1
        entries = sum(call.entries for call in of_layer)
        yield _Layer(name, module, of_layer[0].images, len(of_layer), entries, read, writes.get(name, 1))


def _calls(trial: "LiveTrial", batch: int) -> dict[str, list[_Call]]:
    """Return how each layer with parameters, of one input and one output, is called for a batch of blank images."""
    calls: dict[str, list[_Call]] = {}

    def note(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def listen(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if len(inputs) == 1 and isinstance(output, Tensor):
                calls.setdefault(name, []).append(_Call(inputs[0], output.numel()))

        return listen

    layers = {
        name: module
        for name, module in trial.model.named_modules()
        if not list(module.children()) and list(module.parameters(recurse=False))
    }
    hooks = [module.register_forward_hook(note(name)) for name, module in layers.items()]
    blank = next(trial.model.parameters()).new_zeros(batch, *trial.dataset.input_shape)
    with torch.no_grad(), modes_kept(trial.model):
        trial.model.eval()(blank)
    for hook in hooks:
        hook.remove()
    return calls

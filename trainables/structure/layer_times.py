"""Measured seconds of a network's layers at several widths, interpolated between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LayerTime:
    """The seconds [I, O] of one layer that reads so many units as `inputs` says [I], and writes `outputs` [O].

    Both rise; a side whose width is fixed has the one width 1.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    seconds: Tensor

    def table(self, inputs: int, outputs: int) -> Tensor:
        """Return the seconds of all widths up to these: [inputs + 1, outputs + 1], float64.

        Between what was measured they are interpolated, in each direction linearly. More units never take less time:
        what was measured faster than a narrower layer gets its time. A layer without units takes none.
        """
        rising = self.seconds.double().cummax(0).values.cummax(1).values
        by_input = _weights(self.inputs, inputs)
        by_output = _weights(self.outputs, outputs)
        table = torch.zeros(inputs + 1, outputs + 1, dtype=torch.float64)
        table[1:, 1:] = by_input @ rising @ by_output.T
        return table


def _weights(measured: Sequence[int], count: int) -> Tensor:
    """Return what share each of the `measured` widths has in the widths 1 to `count`: [count, len(measured)]."""
    at = torch.tensor(measured, dtype=torch.float64)
    wanted = torch.arange(1, count + 1, dtype=torch.float64).clamp(at[0].item(), at[-1].item())
    above = torch.searchsorted(at, wanted).clamp(1, max(1, len(at) - 1))
    weights = torch.zeros(count, len(at), dtype=torch.float64)
    if len(at) == 1:
        return weights + 1
    share = (wanted - at[above - 1]) / (at[above] - at[above - 1])
    rows = torch.arange(count)
    weights[rows, above - 1], weights[rows, above] = 1 - share, share
    return weights


@dataclass(frozen=True, eq=False)
class LayerTimes:
    """The seconds of a network's layers by module, and `whole`, those of the network itself, for one batch of images.

    The layers are those with parameters; what else a network does (activations, sums) is spread over them.
    """

    layers: Mapping[str, LayerTime]
    whole: float

    @cached_property
    def total(self) -> float:
        """The seconds of all layers together at the widths that the network had when they were measured."""
        tables = (layer.table(layer.inputs[-1], layer.outputs[-1]) for layer in self.layers.values())
        return float(sum(table[-1, -1] for table in tables))

    def as_state(self) -> dict[str, Any]:
        """Return the times as a checkpoint holds them."""
        layers = {
            name: {"inputs": list(time.inputs), "outputs": list(time.outputs), "seconds": time.seconds}
            for name, time in self.layers.items()
        }
        return {"layers": layers, "whole": self.whole}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "LayerTimes":
        """Return what `as_state` described."""
        layers = {
            name: LayerTime(tuple(time["inputs"]), tuple(time["outputs"]), time["seconds"].cpu())
            for name, time in state["layers"].items()
        }
        return cls(layers, state["whole"])

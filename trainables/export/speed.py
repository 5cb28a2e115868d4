"""How long networks take on this machine, beside each other, and why a smaller one is not always faster."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor, nn

from trainables.structure.channels import CONVOLUTIONS

Run = Callable[[Tensor], Tensor]

WARMUP: Final = 5
RUNS: Final = 40

LANES: Final = 8
"""The numbers that a processor handles at once; an engine computes a width up to the next multiple of it."""


def seconds(runs: Sequence[Run], batch: Tensor, count: int = RUNS) -> list[float]:
    """Return the median time of each run on a batch, in seconds.

    They take turns, so that a machine that is busy for a while slows all of them alike.
    """
    measured: list[list[float]] = [[] for _ in runs]
    with torch.inference_mode():
        for turn in range(WARMUP + count):
            for run, times in zip(runs, measured, strict=True):
                begin = time.perf_counter()
                run(batch)
                if turn >= WARMUP:
                    times.append(time.perf_counter() - begin)
    return [statistics.median(times) for times in measured]


def odd_widths(model: nn.Module, dense: nn.Module) -> tuple[str, ...]:
    """Return the convolutions that have lost filters, and now have a number of them that is no multiple of `LANES`."""
    before = dict(dense.named_modules())
    return tuple(
        name
        for name, layer in model.named_modules()
        if isinstance(layer, CONVOLUTIONS) and layer.out_channels % LANES and _has_lost(layer, before.get(name))
    )


def _has_lost(layer: nn.Module, before: nn.Module | None) -> bool:
    return all(isinstance(each, CONVOLUTIONS) for each in (layer, before)) and _filters(layer) < _filters(before)


def _filters(layer: nn.Module | None) -> int:
    return int(getattr(layer, "out_channels", 0))

"""Processor seconds of a training step on the CPU: contiguous, in channels_last, and compiled.

    python -m benchmarks.layouts [--networks resnet20 vgg16_bn digits_cnn mobilenet_v2] [--batches 32 128]

One thread, float32. The ways take turns, step by step, on the same random images, and medians of the process's own
seconds are compared, with the smallest and the largest ratio of a turn: what else the machine does stays outside of
them. `apart` is how far the weights of two ways lie apart after those steps, as a share of how far they have moved: 0
would be bit for bit. The first compiled step has the seconds of the compiler in it, whose cache is a fresh folder.
Compiled networks are in channels_last, which is espalier's default.
"""

import argparse
import copy
import os
import resource
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from trainables import models
from trainables.spec import TrainingSpec
from trainables.tasks.classification import CLASSIFICATION
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.step import Step

SHAPES: Final = {"digits_cnn": (1, 8, 8)}
"""The input shapes of networks that are not for CIFAR-10."""

BASE: Final = "channels_last"
COMPILED: Final = "compiled"
LAYOUTS: Final = {
    BASE: torch.channels_last,
    "contiguous": torch.contiguous_format,
    COMPILED: torch.channels_last,
}

WARM_UPS: Final = 2

TRAINING: Final = TrainingSpec(lr=0.01)


@dataclass(frozen=True)
class Way:
    """One of the ways to take a step: takes one and returns the processor seconds it took."""

    model: nn.Module
    take: Callable[[], float]


def a_way(dense: nn.Module, images: Tensor, labels: Tensor, *, layout: torch.memory_format, compiled: bool) -> Way:
    model: nn.Module = copy.deepcopy(dense).to(memory_format=layout)  # type: ignore[call-overload]  # left out by torch
    network = torch.compile(model, dynamic=False, fullgraph=True) if compiled else model
    step = Step(network, optimizer_for(model, TRAINING), CLASSIFICATION, torch.float32, Companion())
    laid = images.contiguous(memory_format=layout)

    def take() -> float:
        begin = seconds()
        step(laid, labels, len(labels))
        return seconds() - begin

    return Way(model, take)


def seconds() -> float:
    """Return the processor seconds of this process and of those it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def apart(one: nn.Module, other: nn.Module, start: nn.Module) -> float:
    """Return the distance of two networks' parameters as a share of how far the first moved from `start`."""
    first, second, begin = (torch.cat([p.detach().flatten() for p in m.parameters()]) for m in (one, other, start))
    return float((first - second).norm() / (first - begin).norm())


def compare(network: str, batch: int, turns: int, others: Sequence[str]) -> Iterator[str]:
    """Yield a row for channels_last and for each other way."""
    torch.manual_seed(0)
    torch.compiler.reset()
    shape = SHAPES.get(network, (3, 32, 32))
    dense = models.build(network, classes=10, input_shape=shape).train()
    images, labels = torch.randn(batch, *shape), torch.randint(10, (batch,))
    ways = {
        name: a_way(dense, images, labels, layout=LAYOUTS[name], compiled=name == COMPILED) for name in (BASE, *others)
    }
    first = {name: way.take() for name, way in ways.items()}
    for _ in range(WARM_UPS):
        for way in ways.values():
            way.take()
    took = {name: list[float]() for name in ways}
    for turn in range(turns):
        for name in sorted(ways, reverse=turn % 2 == 1):
            took[name].append(ways[name].take())
    for name, way in ways.items():
        ratios = sorted(one / other for one, other in zip(took[name], took[BASE], strict=True))
        spread = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        off = f"{apart(ways[BASE].model, way.model, dense):.0e}"
        cells = [
            network,
            str(batch),
            name,
            f"{statistics.median(took[name]) * 1000:.1f}",
            spread,
            off,
            f"{first[name]:.0f}",
        ]
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = ["resnet20", "vgg16_bn", "digits_cnn", "mobilenet_v2"]
    parser.add_argument("--networks", nargs="+", default=known, help="networks of espalier")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128], help="images of a batch")
    parser.add_argument(
        "--ways", nargs="+", choices=list(LAYOUTS)[1:], default=list(LAYOUTS)[1:], help=f"beside {BASE}"
    )
    parser.add_argument("--turns", type=int, default=9, help="measured steps of each way (default 9)")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, one thread, {chosen.turns} turns\n")
    print(f"| network | batch | way | ms of a step | to {BASE} | apart | first step, s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for network in chosen.networks:
        for batch in chosen.batches:
            with tempfile.TemporaryDirectory() as folder:
                os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
                for row in compare(network, batch, chosen.turns, chosen.ways):
                    print(row, flush=True)


if __name__ == "__main__":
    main()

"""At which learning rate one step changes a network by one, however deep it is: the law L^-1.5 by its definition.

    python -m benchmarks.maximal_update [--networks mlp cnn] [--data digits cifar10] [--seeds 0 1 2 3 4] [--threads 1]

Jelassi et al. 2023, Depth Dependence of muP Learning Rates in ReLU MLPs, arXiv 2305.07810, and after them Chen et al.
2024, arXiv 2402.17440, call that rate maximal at which a step of gradient descent from the first weights changes what
the last hidden layer puts out, before its activation, by a mean square of one. It is computed here for chains of layers
with first weights by in-degree, from the change to first order, over `--draws` networks for each seed: with the
squared error of one image, as they do, and with the cross-entropy of 32. Nothing is trained. The slope is that of the
line of least squares through the logarithms of rates and numbers of hidden layers, up to twelve layers and beyond.
"""

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.architecture_scaling import KINDS, READOUT, chain, data_of, slope_of
from benchmarks.trials import new_parser, parse
from trainables import data, models
from trainables.data.dataset import Dataset
from trainables.spec import Option
from trainables.structure.tracing import layer_graph
from trainables.training.architecture_scaling import initialize

DEPTHS: Final = (3, 4, 6, 8, 12, 16, 24, 32, 48)
SHALLOW: Final = 12
STEP: Final = 1e-6
"""The learning rate of the step from which the change per rate is told, small enough for it to be linear."""
LOSSES: Final = {"squared error": 1, "cross-entropy": 32}
"""How many images the gradient is the mean over, by the loss."""


@dataclass(frozen=True)
class Chain:
    """A kind of layers in a row, as many as there are channels of each."""

    kind: str
    width: int

    def network(self, depth: int, dataset: Dataset) -> nn.Module:
        """Return a network of that many layers, in float64, its first weights from torch's global generator."""
        shape = dataset.input_shape
        options: Mapping[str, Option] = {"graph": chain(depth, KINDS[self.kind]), "width": self.width}
        model = models.build("dag", classes=dataset.classes, input_shape=shape, options=options)
        initialize(model, layer_graph(model, shape))
        return model.double()


def change(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the mean square of the change of the last hidden layer's sums in a step, for a learning rate of one.

    It is to first order. One image: squared error; several: cross-entropy.
    """
    *_, hidden, _ = (layer for layer in model.modules() if isinstance(layer, nn.Linear | nn.Conv2d))
    seen: list[Tensor] = []
    hook = hidden.register_forward_hook(lambda _layer, _inputs, sums: seen.append(sums.detach().clone()))
    outputs: Tensor = model(images)
    if len(images) > 1:
        loss = F.cross_entropy(outputs, labels)
    else:
        loss = (outputs - F.one_hot(labels, outputs.shape[1])).square().sum()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.sub_(STEP * gradient)
        model(images)
    hook.remove()
    return float(((seen[1] - seen[0]) / STEP).square().mean())


def changes(chained: Chain, depth: int, dataset: Dataset, seed: int, draws: int) -> dict[str, float]:
    """Return the mean of `change` over several networks and images, by the loss."""
    torch.manual_seed(seed)
    mean, std = (torch.tensor(values, dtype=torch.float64).view(-1, 1, 1) for values in (dataset.mean, dataset.std))
    found: dict[str, list[float]] = {name: [] for name in LOSSES}
    for _, (name, count) in product(range(draws), LOSSES.items()):
        chosen = torch.randperm(len(dataset.train))[:count]
        images = (dataset.train.images[chosen].double() / 255 - mean) / std
        found[name].append(change(chained.network(depth, dataset), images, dataset.train.labels[chosen]))
    return {name: statistics.mean(values) for name, values in found.items()}


Rates = Mapping[int, float]


def rates(measured: Mapping[int, Sequence[float]]) -> Rates:
    """Return the maximal rate of each depth, from the changes of all seeds."""
    return {depth: statistics.mean(values) ** -0.5 for depth, values in measured.items()}


def slopes(found: Rates) -> tuple[float, float]:
    """Return the slopes up to SHALLOW layers, and from there on."""
    shallow, deep = ({n: r for n, r in found.items() if is_in(n)} for is_in in (SHALLOW.__ge__, SHALLOW.__le__))
    return slope_of(shallow, READOUT), slope_of(deep, READOUT)


def lines(chained: Chain, dataset: Dataset, options: argparse.Namespace) -> Iterator[str]:
    """Yield a row of the table for each loss."""
    every = {
        depth: [changes(chained, depth, dataset, seed, options.draws) for seed in options.seeds] for depth in DEPTHS
    }
    for name in LOSSES:
        measured = {depth: [each[name] for each in seeds] for depth, seeds in every.items()}
        found = rates(measured)
        shown = " | ".join(f"{found[depth]:.2g}" for depth in DEPTHS)
        of_seeds = [slopes(rates({d: [v[i]] for d, v in measured.items()})) for i in range(len(options.seeds))]
        ends = (
            f"{whole:.2f} ({min(each):.2f} to {max(each):.2f})"
            for whole, each in zip(slopes(found), zip(*of_seeds, strict=True), strict=True)
        )
        yield f"| {dataset.name}, {chained.kind} | {name} | {' | '.join(ends)} | {shown} |"


def main() -> None:
    parser = new_parser(__doc__, "maximal_update", epochs=1, subset=1500)
    parser.set_defaults(device="cpu", seeds=[0, 1, 2, 3, 4])
    parser.add_argument("--networks", nargs="+", choices=[*KINDS], default=[*KINDS])
    parser.add_argument("--data", nargs="+", choices=("digits", "cifar10"), default=["digits", "cifar10"])
    parser.add_argument("--width", type=int, default=512, help="units of each layer of the perceptrons (512)")
    parser.add_argument("--channels", type=int, default=64, help="channels of each convolution (64)")
    parser.add_argument("--size", type=int, default=8, help="pixels of a side of CIFAR-10's images (8)")
    parser.add_argument("--draws", type=int, default=4, help="networks for each seed, depth and loss (4)")
    options = parse(parser)
    print(f"| | loss | slope to {SHALLOW} layers | beyond | {' | '.join(map(str, DEPTHS))} |")
    print("| --- " * (len(DEPTHS) + 4) + "|")
    for name, kind in product(options.data, options.networks):
        chained = Chain(kind, options.width if kind == "mlp" else options.channels)
        for line in lines(chained, data.load(data_of(name, options)), options):
            print(line, flush=True)


if __name__ == "__main__":
    main()

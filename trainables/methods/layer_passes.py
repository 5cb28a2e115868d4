"""Passes over the training images for layers that are solved in closed form: batches, hidden activations, and cost."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.data.batches import ordered
from trainables.data.dataset import Split
from trainables.methods.layers import Layer

if TYPE_CHECKING:
    from trainables.state import LiveTrial

BATCH: Final = 2000
"""How many images are multiplied at once; results do not depend on it but for rounding."""

KEPT: Final = 2**28
"""The bytes, at most, in which what the last hidden layer puts out is kept between solutions of the decision layer."""


class Passes:
    """Reads a process's share of the training images, and adds up in `flops` what all processes multiply."""

    def __init__(self, trial: "LiveTrial", layers: Sequence[Layer]) -> None:
        self._trial, self.layers, self.flops = trial, layers, 0.0

    @property
    def images(self) -> int:
        return len(self._trial.dataset.train)

    def batches(self, part: int = 0, parts: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield training images, flattened, with their labels: number `part` and every `parts`-th after it."""
        whole = self._trial.dataset.train
        split = Split(whole.images[part::parts], whole.labels[part::parts], whole.streams_to) if parts > 1 else whole
        return self._of(split, first=parallel.rank(), every=parallel.size())

    def numbered(self, numbers: Tensor) -> Tensor:
        """Return the training images with these numbers, flattened."""
        split = self._trial.dataset.train
        where = numbers.to(split.images.device)
        labels = split.labels[numbers.to(split.labels.device)]
        return torch.cat([images for images, _ in self._of(Split(split.images[where], labels, split.streams_to))])

    def _of(self, split: Split, *, first: int = 0, every: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        data, share = self._trial.dataset, -(-len(split) // every)
        size = min(BATCH, max(1, share))
        turns = ordered(split, data.mean, data.std, batch_size=size, channels_last=False, first=first, every=every)
        return ((images.flatten(1), labels) for images, labels in turns)

    def below(self, index: int, inputs: Tensor) -> Tensor:
        """Return what the layers below number `index` make of inputs."""
        for layer in self.layers[:index]:
            inputs = layer.activated(layer.sums(inputs))
        return inputs

    def count(self, index: int, outputs: int = 0, *, gram: bool = False, images: float | None = None) -> None:
        """Count the products of a layer's inputs, with `outputs` targets and with each other, and the solution.

        Those with each other are symmetric, and half of them are multiplied. Without targets nothing is solved.
        """
        images, inputs = self.images if images is None else images, self.layers[index].inputs + 1
        products = inputs * outputs + (inputs * inputs / 2 if gram else 0)
        solution = inputs**3 / 3 + 2.0 * inputs * inputs * outputs if outputs else 0.0
        self.flops += 2.0 * images * products + solution

    def count_forward(self, *, kept: bool = False, images: float | None = None) -> None:
        """Count a pass from the images, or from what is kept of the hidden layers, to the head."""
        layers = self.layers[-1:] if kept else self.layers
        forward = sum(layer.inputs * layer.outputs for layer in layers)
        self.flops += 2.0 * (self.images if images is None else images) * forward


class LastInputs:
    """What the head reads of each batch, with the labels; computed in the first pass, and kept if it fits in KEPT.

    It is that of the hidden layers as they were in the first pass.
    """

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        head = passes.layers[-1]
        size = -(-passes.images // parallel.size()) * head.inputs * head.linear.weight.element_size()
        self._fits, self._kept = size <= KEPT, list[tuple[Tensor, Tensor]]()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield a pass."""
        self._passes.count_forward(kept=bool(self._kept))
        return iter(self._kept) if self._kept else self._computed()

    def _computed(self) -> Iterator[tuple[Tensor, Tensor]]:
        computed = list[tuple[Tensor, Tensor]]()
        for inputs, labels in self._passes.batches():
            batch = self._passes.below(len(self._passes.layers) - 1, inputs), labels
            if self._fits:
                computed.append(batch)
            yield batch
        self._kept = computed

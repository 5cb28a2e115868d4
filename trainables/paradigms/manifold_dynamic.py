"""Manifold-regularised dynamic pruning (ManiDP): each image passes through the channels that it needs.

Pick it where images differ in difficulty, arrive one at a time, and the mean of their cost counts: nothing is removed,
the network even grows by its gates, and each image computes a part of it. `macs` is the mean over the validation
images (`test_macs` over those of test); `macs_spread` is their standard deviation and `macs_p95` what 95 % of them do
not exceed. Pick something else for batches and exports, where all channels are computed, for a smaller file, and for
speed on small networks: what gates and gathering cost was more, in ResNet-20, than the MACs that they saved
(`python benchmarks/gathered.py`).
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms.base import Paradigm, hyper, pretraining
from trainables.recipes.in_training import GateByImage
from trainables.recipes.recipe import Recipe, Train


@dataclass(frozen=True, kw_only=True)
class ManifoldDynamicPruning(Paradigm):
    """Train; add a gate to each convolution; train on while the gates' thresholds rise to their keep rate.

    Losses and thresholds are the authors', and the gates but for their start, which changes nothing. They train 400
    epochs from a trained network at a rate of 0.05, and ResNet-56 with the values that are the defaults here, but for
    `ramp`, since in 20 epochs on digits the last thresholds must be trained with, or accuracy may be lost, and for
    `similarity`, which is 1 there and 0.1 where their program is not told. Ours grows from 0 while the keep rate falls,
    and gates cannot exceed 3, theirs 1000: in 8 epochs on a part of CIFAR-10 two of three trainings failed without.
    The gradient of the complexity loss does not pass through an image's own loss. `keep` is a share of each layer's
    mean gates, and of the MACs about its square; with `target_macs` the keep rate follows from what the images of
    each epoch cost, and misses it by some percent in short trainings. In 12 epochs on digits, and with `similarity:
    1`, `dynamic: 0.8`, `dynamic_lr: 1` and `ramp: 0.3` gave 3.9 points more than the defaults.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "value of a gate for the image",
        "granularity": "filter, image by image",
        "scope": "layer",
        "schedule": "keep rate falls along a cosine",
        "weights": "trained with the gates, all kept",
    }
    source: ClassVar = "Tang et al. 2021, Manifold Regularized Dynamic Network Pruning, CVPR 2021, arXiv 2103.05861"

    keep: float = hyper(0.6, "share of each gated layer's mean gates that reach the threshold", low=0.01, high=1.0)
    target_macs: float = hyper(
        0.0, "share of the dense MACs that images cost on average; sets the keep rate; 0: keep rules", low=0.0, high=1.0
    )
    complexity: float = hyper(5e-3, "factor of the gates of easy images in the loss", low=0.0, high=100.0)
    similarity: float = hyper(
        0.1,
        "factor of the distance between the likeness of images in gates and in features, at the end of the ramp",
        low=0.0,
        high=100.0,
    )
    easy: float = hyper(0.5, "share of the mean loss below which an image is easy", low=0.01, high=10.0)
    power: float = hyper(1.0, "exponent of how easy an image is", low=0.1, high=10.0)
    squeeze: int = hyper(2, "how many times as narrow as its layer a gate is, half of it below 80", low=1, high=64)
    ramp: float = hyper(
        0.7, "share of this phase over which the keep rate falls; 1: all of it, as the authors'", low=0.05, high=1.0
    )
    dynamic: float = hyper(0.6, "share of the epochs with gates", low=0.05, high=0.95)
    dynamic_lr: float = hyper(0.5, "peak learning rate of this phase, as a share of that of training", low=1e-3, high=1)
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        gated = max(1, round(self.dynamic * epochs)) if self.pretrain else epochs
        if self.pretrain and gated >= epochs:
            raise InfeasibleTrial(f"dynamic = {self.dynamic} leaves no epoch of {epochs} before the gates; at least 2")
        before = (Train(epochs - gated),) if gated < epochs else ()
        return *before, Train(gated, lr_scale=self.dynamic_lr, during=self._gating())

    def _gating(self) -> GateByImage:
        return GateByImage(
            self.keep,
            self.target_macs,
            self.complexity,
            self.similarity,
            self.easy,
            self.power,
            self.squeeze,
            self.ramp,
        )


PARADIGM = ManifoldDynamicPruning

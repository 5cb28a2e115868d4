"""Dynamical isometry: how a network stretches its inputs, and how pruned weights are made orthogonal again.

Wang et al. 2021, Dynamical Isometry: The Missing Ingredient for Neural Network Pruning, arXiv 2105.05916.
"""

import math
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainables.data.batches import ordered
from trainables.masking.masks import prunable_weights
from trainables.modes import modes_kept

if TYPE_CHECKING:
    from trainables.state import LiveTrial

PROBED = 16
"""How many training images the probe looks at."""


def mean_jsv(model: nn.Module, images: Tensor) -> float:
    """Return the mean singular value of the Jacobian of the logits by the image, over images [B, C, H, W].

    1 is dynamical isometry. In evaluation mode, in which each image's logits are its own; every module keeps its mode.
    """
    inputs = images.detach().requires_grad_()
    with modes_kept(model):
        logits = model.eval()(inputs)
        rows = [torch.autograd.grad(column.sum(), inputs, retain_graph=True)[0].flatten(1) for column in logits.T]
    return float(torch.linalg.svdvals(torch.stack(rows, dim=1)).mean())


def orthogonal(weight: Tensor, gain: float) -> Tensor:
    """Return `gain` times the orthogonal factor of a weight [out, in, *kernel] flattened to [out, -1] (OrthP).

    QR decomposition makes the vectors of the shorter side orthonormal, each with the sign that keeps its direction;
    all singular values of the flattened result are `gain`.
    """
    flat = weight.flatten(1).double()
    wide = flat.shape[0] < flat.shape[1]
    q, r = torch.linalg.qr(flat.T if wide else flat)
    q = q * torch.where(r.diagonal() < 0, -1.0, 1.0)
    made: Tensor = gain * (q.T if wide else q).reshape(weight.shape).to(weight)
    return made


@torch.no_grad()
def orthogonalize(model: nn.Module) -> None:
    """Make each prunable weight orthogonal, with the gain sqrt(2) of a ReLU, or 1 for the last, which has none."""
    weights = list(prunable_weights(model).values())
    for weight in weights:
        weight.copy_(orthogonal(weight, 1.0 if weight is weights[-1] else math.sqrt(2)))


def probe(trial: "LiveTrial", key: str) -> None:
    """Measure the mean Jacobian singular value of the trial's network over a few training images, as metric `key`."""
    data, layout = trial.dataset, trial.spec.training.channels_last
    images, _ = next(islice(ordered(data.train, data.mean, data.std, batch_size=PROBED, channels_last=layout), 1))
    trial.measured[key] = mean_jsv(trial.model, images)

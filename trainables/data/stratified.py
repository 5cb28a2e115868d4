"""Random draws that keep the classes' proportions and do not change between library releases."""

import numpy as np
import torch
from torch import Tensor


def draw(labels: Tensor, count: int, seed: int) -> Tensor:
    """Return a mask, bool [N], of `count` examples drawn at random in proportion to the classes in `labels` [N, ...].

    A class gets its share rounded down or up; labels that are no classes, numbers and texts, are all of one. Only the
    raw bits of PCG64 are used, which NumPy promises to keep (NEP 19), so that a seed gives the same split everywhere.
    """
    classes = _classes(labels).cpu().numpy()
    quotas = _quotas(np.bincount(classes), count)
    shuffled = np.argsort(np.random.PCG64(seed).random_raw(len(classes)), kind="stable")
    drawn = np.zeros(len(classes), dtype=bool)
    for label, quota in enumerate(quotas):
        members = shuffled[classes[shuffled] == label]
        drawn[members[:quota]] = True
    return torch.from_numpy(drawn)


def _classes(labels: Tensor) -> Tensor:
    return labels if labels.dtype == torch.int64 and labels.ndim == 1 else labels.new_zeros(len(labels)).long()


def _quotas(sizes: np.ndarray, count: int) -> np.ndarray:
    """Distribute `count` over classes of these `sizes` by largest remainder; the sum is exact."""
    quotas, remainder = np.divmod(count * sizes, sizes.sum())
    largest = np.argsort(-remainder, kind="stable")[: count - quotas.sum()]
    quotas[largest] += 1
    return quotas

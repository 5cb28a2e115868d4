"""What is measured of a network's logits on images: accuracy, likelihood, calibration, likeness to another network."""

import torch
from torch import Tensor

from trainables.metrics import ALWAYS
from trainables.training.quality import measure_qualities


def scores(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return accuracy, likelihood and calibration of logits (N, classes) and labels (N,)."""
    right = (logits.argmax(1) == labels).double().mean()
    return {"accuracy": float(right), **measure_qualities(ALWAYS, logits, labels)}


def scores_of_mean(probabilities: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the same of averaged probabilities (N, classes), float64; one of zero counts as the smallest number."""
    smallest = torch.finfo(probabilities.dtype).tiny
    return scores(probabilities.clamp(min=smallest).log(), labels)


def class_accuracies(logits: Tensor, labels: Tensor) -> dict[int, float]:
    """Return the share of each class's images that is recognised, of the classes that occur."""
    right, classes = (logits.argmax(1) == labels).double(), logits.shape[1]
    images = torch.bincount(labels, minlength=classes)
    hits = torch.bincount(labels, weights=right, minlength=classes)
    return {number: float(hits[number] / images[number]) for number in range(classes) if images[number]}


def similarities(logits: Tensor, reference: Tensor) -> dict[str, float]:
    """Return how alike two networks are on the same images, by their logits (N, classes).

    `agreement` is the share of equal predictions, `distance` the mean Euclidean distance of the probabilities
    (Liebenwein et al. 2021, arXiv 2103.03014).
    """
    agreement = (logits.argmax(1) == reference.argmax(1)).double().mean()
    apart = (logits.softmax(1, dtype=torch.float64) - reference.softmax(1, dtype=torch.float64)).norm(dim=1)
    return {"agreement": float(agreement), "distance": float(apart.mean())}

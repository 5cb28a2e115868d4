"""Metrics from the outputs of a whole split: likelihood and calibration of classes, and others by torchmetrics.

Importing this does not import torchmetrics, and neither does measuring what every trial measures.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

BINS: Final = 15
"""The bins of confidence of the expected calibration error, as in Guo et al. 2017, arXiv 1706.04599."""


def measure_qualities(names: Iterable[str], logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the metrics among `names`, all of one task, that are measured here, of outputs (N, outputs), labels (N,).

    Those of classes are computed from probabilities: torchmetrics would take logits that happen to lie in [0, 1] for
    probabilities.
    All are NaN where a logit is.
    """
    asked = list(dict.fromkeys(name for name in names if name in QUALITIES))
    if not asked:
        return {}
    if not logits.isfinite().all():
        return dict.fromkeys(asked, float("nan"))
    given = _probabilities(logits) if OF_NUMBERS.keys().isdisjoint(asked) else logits.squeeze(1)
    return {name: float(QUALITIES[name](given, labels)) for name in asked}


def _probabilities(logits: Tensor) -> Tensor:
    return logits.softmax(1, dtype=torch.float64)  # in float32 what is unlikely would be impossible


def _functions(task: str) -> Any:
    """Return torchmetrics' functions for a task; it imports torchvision, which beside a CPU's torch may need help."""
    import_module("trainables.vision")
    return import_module(f"torchmetrics.functional.{task}")  # seconds


def _macro(function: str) -> Callable[[Tensor, Tensor], Tensor]:
    def measure(probabilities: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = getattr(_functions("classification"), function)(
            probabilities, labels, num_classes=probabilities.shape[1], average="macro"
        )
        return value

    return measure


def _auroc(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the classes that occur: torchmetrics counts one without images as 0."""
    classes = probabilities.shape[1]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # it says that of such classes it makes zeros
        of_each: Tensor = _functions("classification").multiclass_auroc(
            probabilities, labels, num_classes=classes, average="none"
        )
    return of_each[torch.bincount(labels, minlength=classes) > 0].mean()


def _top_five(probabilities: Tensor, labels: Tensor) -> Tensor:
    classes = probabilities.shape[1]
    value: Tensor = _functions("classification").multiclass_accuracy(
        probabilities, labels, num_classes=classes, top_k=min(5, classes), average="micro"
    )
    return value


def _likelihood(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-likelihood, in nats; a probability of zero counts as the smallest number."""
    smallest = torch.finfo(probabilities.dtype).tiny
    return F.nll_loss(probabilities.clamp(min=smallest).log().double(), labels)


def _brier(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared distance from the true class, summed over classes: in [0, 2] (Brier 1950)."""
    truth = F.one_hot(labels, probabilities.shape[1])
    return (probabilities - truth).square().sum(1).double().mean()


def _calibration(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the expected calibration error over bins that are open below: a confidence of 1/3 is in bin 5 of 15."""
    confidence, guessed = probabilities.max(1)
    bins = (confidence * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    gaps = torch.zeros(BINS, dtype=torch.float64, device=probabilities.device)
    return gaps.index_add_(0, bins, (guessed == labels).double() - confidence.double()).abs().sum() / len(labels)


def _of_numbers(function: str, **options: bool) -> Callable[[Tensor, Tensor], Tensor]:
    def measure(predictions: Tensor, targets: Tensor) -> Tensor:
        value: Tensor = getattr(_functions("regression"), function)(predictions, targets, **options)
        return value

    return measure


OF_CLASSES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "f1_macro": _macro("multiclass_f1_score"),
    "precision_macro": _macro("multiclass_precision"),
    "recall_macro": _macro("multiclass_recall"),
    "auroc": _auroc,
    "top5": _top_five,
    "ece": _calibration,
    "nll": _likelihood,
    "brier": _brier,
}
"""What is measured of classes, by the metric's name, from probabilities (N, classes) and labels (N,)."""

OF_NUMBERS: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "rmse": _of_numbers("mean_squared_error", squared=False),
    "r2": _of_numbers("r2_score"),
    "explained_variance": _of_numbers("explained_variance"),
}
"""What is measured of numbers, by the metric's name, from predictions (N,) and targets (N,)."""

QUALITIES: Final = {**OF_CLASSES, **OF_NUMBERS}
"""All that is measured."""

"""Metrics of classification by torchmetrics, from the logits of a whole split; importing this does not import it."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from trainables import vision  # noqa: F401 - torchmetrics imports it, which beside a CPU's torch fails otherwise

BINS: Final = 15
"""The bins of confidence of the expected calibration error, as in Guo et al. 2017, arXiv 1706.04599."""


def measure_qualities(names: Iterable[str], logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the metrics among `names` that torchmetrics measures, of logits (N, classes) and labels (N,).

    They are computed from probabilities: torchmetrics would take logits that happen to lie in [0, 1] for probabilities.
    All are NaN where a logit is.
    """
    asked = [name for name in names if name in QUALITIES]
    if not asked:
        return {}
    if not logits.isfinite().all():
        return dict.fromkeys(asked, float("nan"))
    probabilities = logits.softmax(1)
    return {name: float(QUALITIES[name](probabilities, labels)) for name in asked}


def _functions() -> Any:
    from torchmetrics.functional import classification  # seconds

    return classification


def _macro(function: str) -> Callable[[Tensor, Tensor], Tensor]:
    def measure(probabilities: Tensor, labels: Tensor) -> Tensor:
        value: Tensor = getattr(_functions(), function)(
            probabilities, labels, num_classes=probabilities.shape[1], average="macro"
        )
        return value

    return measure


def _auroc(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Return the mean over the classes that occur: torchmetrics counts one without images as 0."""
    classes = probabilities.shape[1]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # it says that of such classes it makes zeros
        of_each: Tensor = _functions().multiclass_auroc(probabilities, labels, num_classes=classes, average="none")
    return of_each[torch.bincount(labels, minlength=classes) > 0].mean()


def _top_five(probabilities: Tensor, labels: Tensor) -> Tensor:
    classes = probabilities.shape[1]
    value: Tensor = _functions().multiclass_accuracy(
        probabilities, labels, num_classes=classes, top_k=min(5, classes), average="micro"
    )
    return value


def _calibration(probabilities: Tensor, labels: Tensor) -> Tensor:
    value: Tensor = _functions().multiclass_calibration_error(
        probabilities, labels, num_classes=probabilities.shape[1], n_bins=BINS
    )
    return value


QUALITIES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "f1_macro": _macro("multiclass_f1_score"),
    "precision_macro": _macro("multiclass_precision"),
    "recall_macro": _macro("multiclass_recall"),
    "auroc": _auroc,
    "top5": _top_five,
    "ece": _calibration,
}
"""What is measured, by the metric's name, from probabilities (N, classes) and labels (N,)."""

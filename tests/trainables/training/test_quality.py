"""Metrics of classification, held to scikit-learn's and to what the words mean."""

import math

import pytest
import torch
from sklearn import metrics as sklearn
from torch import Tensor, nn

from trainables import data
from trainables.spec import DataSpec
from trainables.training.quality import OF_CLASSES, OF_NUMBERS, measure_qualities
from trainables.training.training import evaluate

CLASSES = 7


@pytest.fixture(scope="module")
def predicted() -> tuple[Tensor, Tensor]:
    dice = torch.Generator().manual_seed(3)
    labels = torch.randint(CLASSES, (300,), generator=dice)
    logits = torch.randn(300, CLASSES, generator=dice) + 1.5 * nn.functional.one_hot(labels, CLASSES)
    return logits, labels


def test_they_are_those_of_scikit_learn(predicted: tuple[Tensor, Tensor]) -> None:
    logits, labels = predicted
    probabilities, guessed = logits.double().softmax(1).numpy(), logits.argmax(1).numpy()
    assert measure_qualities(OF_CLASSES, logits, labels) == pytest.approx(
        {
            "f1_macro": sklearn.f1_score(labels, guessed, average="macro"),
            "precision_macro": sklearn.precision_score(labels, guessed, average="macro"),
            "recall_macro": sklearn.recall_score(labels, guessed, average="macro"),
            "auroc": sklearn.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"),
            "top5": sklearn.top_k_accuracy_score(labels, probabilities, k=5),
            "ece": _calibration_error(logits, labels),
            "nll": sklearn.log_loss(labels, probabilities),
            "brier": sklearn.brier_score_loss(labels, probabilities),
        },
        abs=1e-5,
    )


def _calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    confidence, guessed = logits.softmax(1).max(1)
    gaps = 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            gaps += float(((guessed == labels)[inside].float() - confidence[inside]).sum().abs())
    return gaps / len(labels)


def test_only_what_is_named_is_measured(predicted: tuple[Tensor, Tensor]) -> None:
    assert measure_qualities(["accuracy", "macs"], *predicted) == {}
    assert set(measure_qualities(["accuracy", "top5"], *predicted)) == {"top5"}


def test_a_class_without_images_lowers_no_area_under_the_curve() -> None:
    labels = torch.tensor([0, 1, 2] * 20)
    perfect = 9.0 * nn.functional.one_hot(labels, 4)
    assert measure_qualities(["auroc"], perfect, labels) == {"auroc": 1.0}


def test_logits_between_zero_and_one_are_not_taken_for_probabilities(predicted: tuple[Tensor, Tensor]) -> None:
    _, labels = predicted
    small = torch.rand(300, CLASSES, generator=torch.Generator().manual_seed(1))
    assert measure_qualities(["ece"], small, labels)["ece"] == pytest.approx(
        _calibration_error(small, labels), abs=1e-5
    )


def test_a_network_whose_logits_are_not_finite_has_none(predicted: tuple[Tensor, Tensor]) -> None:
    logits = predicted[0].clone()
    logits[3, 2] = math.nan
    assert math.isnan(measure_qualities(["f1_macro"], logits, predicted[1])["f1_macro"])


def test_logits_of_a_split_are_kept_in_order_on_request() -> None:
    digits = data.load(DataSpec(name="digits"))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    whole = evaluate(model, digits.validation, digits.mean, digits.std, keep_logits=True)
    parts = evaluate(model, digits.validation, digits.mean, digits.std, keep_logits=True, batch_size=17)
    assert whole.logits is not None
    assert parts.logits is not None
    torch.testing.assert_close(whole.logits, parts.logits)
    assert (whole.logits.argmax(1) == digits.validation.labels).double().mean() == pytest.approx(whole.accuracy)
    assert evaluate(model, digits.validation, digits.mean, digits.std).logits is None


def test_those_of_numbers_are_those_of_scikit_learn_and_classes_are_left_out() -> None:
    dice = torch.Generator().manual_seed(4)
    targets = torch.randn(200, generator=dice)
    outputs = (targets + 0.3 * torch.randn(200, generator=dice))[:, None]
    assert measure_qualities(["mae", *OF_NUMBERS], outputs, targets) == pytest.approx(
        {
            "rmse": sklearn.root_mean_squared_error(targets, outputs),
            "r2": sklearn.r2_score(targets, outputs),
            "explained_variance": sklearn.explained_variance_score(targets, outputs),
        },
        abs=1e-5,
    )

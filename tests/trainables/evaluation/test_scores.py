"""Scores of logits, by hand."""

import pytest
import torch

from trainables.evaluation.scores import class_accuracies, scores, scores_of_mean, similarities

LOGITS = torch.tensor([[2.0, 0, 0], [0, 2, 0], [0, 2, 0], [0, 0, 2]])
LABELS = torch.tensor([0, 1, 0, 1])


def test_scores_hold_accuracy_and_the_likelihood_of_the_truth() -> None:
    measured = scores(LOGITS, LABELS)
    assert measured["accuracy"] == 0.5
    assert measured["nll"] == pytest.approx(float(torch.nn.functional.cross_entropy(LOGITS, LABELS)))
    assert measured.keys() == {"accuracy", "nll", "brier", "ece"}


def test_a_mean_that_excludes_a_class_is_scored_like_any_other() -> None:
    sure = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    assert scores_of_mean(sure, torch.tensor([0, 1])) == {"accuracy": 1, "nll": 0, "brier": 0, "ece": 0}
    wrong = scores_of_mean(sure, torch.tensor([0, 0]))
    assert (wrong["accuracy"], wrong["brier"]) == (0.5, 1)
    assert 300 < wrong["nll"] < 400


def test_classes_without_images_have_no_accuracy() -> None:
    assert class_accuracies(LOGITS, LABELS) == {0: 0.5, 1: 0.5}


def test_networks_are_alike_by_predictions_and_by_probabilities() -> None:
    assert similarities(LOGITS, LOGITS) == {"agreement": 1.0, "distance": 0.0}
    sure, other = torch.tensor([[100.0, 0]]), torch.tensor([[0, 100.0]])
    assert similarities(sure, other) == {"agreement": 0.0, "distance": pytest.approx(2**0.5)}
    assert similarities(sure, 0.5 * sure)["agreement"] == 1.0

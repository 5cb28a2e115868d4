"""The graph network that predicts scores: what it learns, and what it does not depend on."""

from collections.abc import Sequence
from functools import cache

import torch
from scipy.stats import kendalltau
from torch import Tensor

from trainables.methods.graph_predictor import Corrected, GraphPredictor

CHAIN = torch.tensor([[0.5, 0.4, 0.0], [0.4, 0.3, 0.4], [0.0, 0.4, 0.5]], dtype=torch.float64)


def networks(count: int, seed: int) -> Tensor:
    """Draw networks of three layers, each with a width and a mark of which one it is."""
    widths = torch.rand(count, 3, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.cat([widths, torch.eye(3, dtype=torch.float64).expand(count, 3, 3)], 2)


def truth(rows: Tensor) -> Tensor:
    """Return a score that the first layer decides more than the last, with diminishing returns."""
    return 50 + (rows[:, :, 0].sqrt() * torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)).sum(1)


def noisy(rows: Tensor) -> list[float]:
    scores = truth(rows)
    noise = torch.randn(len(rows), generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    scores += 0.5 * scores.std() * noise
    return scores.tolist()


@cache
def fitted() -> GraphPredictor:
    predictor = GraphPredictor(CHAIN, seed=1)
    predictor.fit(networks(60, seed=0), noisy(networks(60, seed=0)))
    return predictor


def tau(one: Tensor, other: Tensor) -> float:
    return float(kendalltau(one.numpy(), other.numpy()).statistic)


def test_errors_average_out_so_that_predictions_order_networks_better_than_measurements() -> None:
    rows = networks(60, seed=0)
    measured, unseen = torch.tensor(noisy(rows)), networks(100, seed=3)
    assert tau(fitted().predict(rows).mean, truth(rows)) > tau(measured, truth(rows)) + 0.05
    assert tau(fitted().predict(unseen).mean, truth(unseen)) > 0.7
    left_out = fitted().left_out
    known = left_out.isfinite()
    assert tau(left_out[known], truth(rows)[known]) > 0.6


def test_predictions_do_not_depend_on_the_order_of_the_nodes() -> None:
    order, rows = torch.tensor([2, 0, 1]), networks(60, seed=0)
    other = GraphPredictor(CHAIN[order][:, order], seed=1)
    other.fit(rows[:, order], noisy(rows))
    unseen = networks(20, seed=3)
    expected, turned = fitted().predict(unseen), other.predict(unseen[:, order])
    assert torch.allclose(expected.mean, turned.mean, rtol=1e-6)
    assert torch.allclose(expected.deviation, turned.deviation, rtol=1e-4)


def test_members_disagree_more_about_networks_unlike_those_they_know() -> None:
    alike = fitted().predict(networks(50, seed=5)).deviation.mean()
    far = networks(50, seed=5)
    far[:, :, 0] += 2
    assert float(fitted().predict(far).deviation.mean()) > 2 * float(alike)


def predicted(seed: int, scores: Sequence[float]) -> Tensor:
    predictor = GraphPredictor(CHAIN, seed)
    predictor.fit(networks(len(scores), seed=0), scores)
    return predictor.predict(networks(5, seed=1)).mean


def test_the_seed_decides_and_scores_that_are_all_alike_are_predicted() -> None:
    scores = noisy(networks(12, seed=0))
    assert torch.equal(predicted(1, scores), predicted(1, scores))
    assert not torch.equal(predicted(1, scores), predicted(2, scores))
    assert torch.allclose(predicted(1, [0.5] * 12), torch.tensor(0.5, dtype=torch.float64), atol=0.3)


def test_what_is_less_certain_teaches_less() -> None:
    rows = networks(60, seed=0)
    scores = truth(rows)
    scores[::2] = -scores[::2]
    spread = torch.zeros(60, dtype=torch.float64)
    unseen = networks(100, seed=3)
    learnt = []
    for doubt in (0.0, 1e4):
        spread[::2] = doubt
        predictor = GraphPredictor(CHAIN, seed=1)
        predictor.fit(rows, scores.tolist(), spread)
        learnt.append((predictor.predict(unseen).mean - truth(unseen)).abs().mean())
    assert float(learnt[1]) < 0.1 * float(learnt[0])


def test_a_few_better_scores_correct_an_error_that_all_measurements_share() -> None:
    """What is measured, in other units, takes the last layer for the first: that does not average out."""
    rows, few, unseen = networks(60, seed=0), networks(16, seed=5), networks(100, seed=3)
    predictor = GraphPredictor(CHAIN, seed=1)
    predictor.fit(rows, (7 * truth(rows.flip(1)) - 100).tolist())
    corrected = Corrected(predictor, few, truth(few).tolist())
    expected = corrected.predict(unseen)
    assert tau(expected.mean, truth(unseen)) > tau(predictor.predict(unseen).mean, truth(unseen)) + 0.2
    assert (expected.mean - truth(unseen)).abs().mean() < truth(unseen).std()
    assert (expected.deviation > 0).all()


def test_better_scores_that_agree_change_no_order() -> None:
    few, unseen = networks(16, seed=5), networks(100, seed=3)
    agreed = fitted().predict(few).mean * 3 + 8
    corrected = Corrected(fitted(), few, agreed.tolist())
    assert torch.allclose(corrected.predict(unseen).mean, fitted().predict(unseen).mean * 3 + 8, rtol=1e-6)

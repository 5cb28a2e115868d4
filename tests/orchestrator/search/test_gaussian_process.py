"""What a Gaussian process expects, given few results."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import invgamma, multivariate_normal

from orchestrator.search.gaussian_process import Array, GaussianProcess, log_evidence, squares, standard_normal

PLACES = np.linspace(0, 1, 9)[:, None]
CHOICES = np.eye(2)[np.arange(9) % 2]


def process(results: Array, spread: float = 0.0) -> GaussianProcess:
    apart = [squares(PLACES, PLACES), squares(CHOICES, CHOICES) / 2]
    return GaussianProcess(apart, results, np.full(len(results), spread), (1.0, 1.0))


def asked(place: float, choice: int) -> list[Array]:
    return [squares(np.array([[place]]), PLACES), squares(np.eye(2)[[choice]], CHOICES) / 2]


def test_where_results_are_known_they_are_expected_and_far_away_little_is() -> None:
    learnt = process(np.sin(3 * PLACES[:, 0]))
    mean, deviation = learnt(asked(0.25, 0))
    assert mean[0] == pytest.approx(np.sin(0.75), abs=0.02)
    _, far = learnt(asked(6.0, 0))
    assert far[0] > 5 * deviation[0]


def test_choices_that_make_a_difference_are_told_apart() -> None:
    learnt = process(np.array([1.0, 5.0] * 4 + [1.0]))
    first, _ = learnt(asked(0.44, 0))
    second, _ = learnt(asked(0.44, 1))
    assert first[0] < 2
    assert second[0] > 4


def test_estimates_teach_less_than_what_was_measured() -> None:
    results = np.sin(3 * PLACES[:, 0])
    _, sure = process(results)(asked(0.5, 0))
    _, unsure = process(results, spread=0.5)(asked(0.5, 0))
    assert unsure[0] > 2 * sure[0]


def test_results_that_are_all_the_same_are_expected_everywhere() -> None:
    mean, deviation = process(np.full(9, 0.3))(asked(0.4, 1))
    assert mean[0] == pytest.approx(0.3)
    assert np.isfinite(deviation[0])


def test_distances_broadcast_over_several_asked_at_once() -> None:
    learnt = process(np.cos(PLACES[:, 0]))
    places = np.array([0.1, 0.3, 0.6])
    together, _ = learnt([squares(places[None, :, None], PLACES), squares(CHOICES[:2, None], CHOICES) / 2])
    assert together.shape == (2, 3)
    one, _ = learnt(asked(0.3, 1))
    assert together[1, 1] == pytest.approx(one[0])


def test_the_evidence_is_the_likelihood_with_the_variance_of_the_signal_integrated_out() -> None:
    results = np.array([0.3, -1.2, 0.8, 0.4])
    covariances = [np.exp(-squares(PLACES[:4], PLACES[:4]) / length**2) + 0.1 * np.eye(4) for length in (0.1, 0.5, 3)]

    def integrated(covariance: Array) -> float:
        def joint(variance: float) -> float:
            return float(multivariate_normal.pdf(results, cov=variance * covariance) * invgamma.pdf(variance, 1))

        return float(np.log(quad(joint, 0, np.inf)[0]))

    factors = np.linalg.cholesky(np.array(covariances))
    signal = np.array([(2 + results @ np.linalg.solve(each, results)) / 6 for each in covariances])
    expected = np.array([integrated(each) for each in covariances])
    evidence = log_evidence(factors, signal)
    assert evidence - evidence[0] == pytest.approx(expected - expected[0], abs=1e-6)


def test_quantiles_of_the_standard_normal_are_symmetric() -> None:
    quantiles = standard_normal(5)
    assert quantiles[2] == pytest.approx(0)
    assert quantiles.tolist() == pytest.approx((-quantiles[::-1]).tolist())
    assert quantiles[4] == pytest.approx(1.2816, abs=1e-4)

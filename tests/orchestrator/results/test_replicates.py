"""Configurations that were trained with several seeds: their means, how sure these are, and the front of them."""

import statistics
from dataclasses import replace

import pytest
from scipy import stats

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import is_eligible
from orchestrator.results.replicates import Estimate, Replicates, front_by_mean, may_be_dominated_by, replicates
from orchestrator.spec.constraints import Constraint
from tests.orchestrator.example import OBJECTIVES, told_trial


def seeds(number: int, accuracies: list[float], macs: list[float]) -> list[TrialRecord]:
    """Return the trials of one configuration, one for each seed, numbered from ten times its number."""
    first = replace(told_trial(1), params={"sparsity": number / 10})
    return [
        replace(first, trial=10 * number + seed, seed=seed, metrics={**first.metrics, "accuracy": a, "macs": m})
        for seed, (a, m) in enumerate(zip(accuracies, macs, strict=True))
    ]


def front(*trials: list[TrialRecord], bounds: tuple[Constraint, ...] = ()) -> list[int]:
    records = [record for group in trials for record in group]
    return [group.first.trial for group in front_by_mean(records, OBJECTIVES, bounds)]


def estimate(values: list[float]) -> Estimate:
    return Estimate(statistics.fmean(values), statistics.stdev(values), len(values))


def test_only_finished_trials_that_differ_in_nothing_but_their_seed_are_replicates() -> None:
    first = told_trial(1)
    again = replace(first, trial=8, seed=1, metrics={**first.metrics, "accuracy": first.metrics["accuracy"] - 0.02})
    other = replace(first, trial=9, seed=2, params={**first.params, "scope": "layer"})
    partial = replace(first, trial=10, seed=3, fidelity=0.5)
    same_seed = replace(first, trial=11)
    both, alone = replicates([first, again, other, partial, same_seed], OBJECTIVES)
    assert [record.trial for record in both.records] == [1, 8]
    assert [record.trial for record in alone.records] == [9]
    accuracy = both.estimate("accuracy")
    assert accuracy is not None
    assert accuracy.mean == pytest.approx(first.metrics["accuracy"] - 0.01)
    assert accuracy.deviation == pytest.approx(0.02 / 2**0.5)
    assert both.estimate("latency") is None


def test_an_interval_is_that_of_students_t() -> None:
    values = [0.90, 0.91, 0.93, 0.89, 0.92]
    low, high = stats.t.interval(0.95, 4, statistics.fmean(values), stats.sem(values))
    known = estimate(values)
    assert (known.mean - (known.half_width or 0), known.mean + (known.half_width or 0)) == pytest.approx((low, high))
    assert Estimate(0.9, 0.0, 1).half_width is None


@pytest.mark.parametrize("shift", [0.005, 0.01, 0.015, 0.02, 0.03, 0.05])
def test_the_test_is_welchs(shift: float) -> None:
    low, high = [0.90, 0.91, 0.93, 0.89, 0.92], [value + shift for value in (0.90, 0.92, 0.91)]
    rejected = stats.ttest_ind(high, low, equal_var=False).pvalue < 0.05
    assert estimate(high).is_above(estimate(low)) == (rejected and statistics.fmean(high) > statistics.fmean(low))
    assert not estimate(low).is_above(estimate(high))


def test_means_without_spread_are_compared_as_they_are_and_single_seeds_not_at_all() -> None:
    assert Estimate(2.0, 0.0, 5).is_above(Estimate(1.0, 0.0, 5))
    assert not Estimate(1.0, 0.0, 5).is_above(Estimate(1.0, 0.0, 5))
    assert not Estimate(2.0, 0.0, 1).is_above(Estimate(1.0, 0.0, 5))


def test_the_mean_of_equal_values_is_that_value() -> None:
    many, few = groups(seeds(1, [0.5] * 3, [46.7] * 3), seeds(2, [0.5], [46.7]))
    assert many.means(["macs"]) == few.means(["macs"]) == {"macs": 46.7}
    assert front([*many.records], [*few.records]) == [10, 20]


def test_a_lucky_seed_is_on_the_front_of_trials_but_not_on_that_of_means() -> None:
    lucky, steady = seeds(1, [0.99, 0.80], [50, 50]), seeds(2, [0.95, 0.95], [50, 50])
    assert front(lucky, steady) == [20]
    assert front(lucky[:1], steady) == [10]


def test_the_front_by_the_mean_begins_with_the_best_of_the_first_objective() -> None:
    assert front(seeds(1, [0.8, 0.8], [10, 10]), seeds(2, [0.9, 0.9], [50, 50])) == [20, 10]


def test_constraints_are_met_by_the_mean_and_trials_that_miss_them_count() -> None:
    bound = (Constraint.parse("accuracy", ">= 0.9"),)
    spread = seeds(1, [0.95, 0.89], [50, 50])
    refused = [replace(record, feasible=record.metrics["accuracy"] >= 0.9) for record in spread]
    assert front(refused, bounds=bound) == [10]
    assert front(seeds(1, [0.95, 0.80], [50, 50]), bounds=bound) == []
    assert [is_eligible(record, OBJECTIVES) for record in refused] == [True, False]


def test_a_configuration_that_one_seed_disconnects_is_on_no_front() -> None:
    whole, broken = seeds(1, [0.95, 0.95], [50, 50])
    assert front([whole, replace(broken, metrics={**broken.metrics, "disconnected": 1.0})]) == []


def groups(*trials: list[TrialRecord]) -> list[Replicates]:
    return replicates([record for group in trials for record in group], OBJECTIVES)


def test_a_member_whose_only_advantage_is_within_the_spread_may_be_dominated() -> None:
    noise = [0.90, 0.92, 0.88, 0.91, 0.89]
    better, cheaper = groups(seeds(1, [value + 0.005 for value in noise], [60] * 5), seeds(2, noise, [50] * 5))
    assert may_be_dominated_by(better, [better, cheaper], OBJECTIVES) == [cheaper]
    assert may_be_dominated_by(cheaper, [better, cheaper], OBJECTIVES) == []
    clearly, _ = groups(seeds(1, [value + 0.05 for value in noise], [60] * 5), seeds(2, noise, [50] * 5))
    assert may_be_dominated_by(clearly, [clearly, cheaper], OBJECTIVES) == []


def test_nothing_is_said_of_a_single_seed_nor_of_equal_means() -> None:
    single, several = groups(seeds(1, [0.91], [60]), seeds(2, [0.90, 0.92], [50, 50]))
    assert (
        may_be_dominated_by(single, [several], OBJECTIVES) == may_be_dominated_by(several, [single], OBJECTIVES) == []
    )
    one, equal = groups(seeds(1, [0.9, 0.9], [50, 50]), seeds(2, [0.9, 0.9], [50, 50]))
    assert may_be_dominated_by(one, [equal], OBJECTIVES) == []


def test_no_trial_has_no_front() -> None:
    assert front_by_mean([], OBJECTIVES) == []

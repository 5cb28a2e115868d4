"""How far one may prune: prune potential, excess error and its interval, forgotten classes."""

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.potential import (
    Forgotten,
    corrupted_columns,
    distributions,
    forgotten,
    masked_gradients,
    potentials,
    pruned,
    slope_with_interval,
    slopes,
    summary_columns,
    trained_on,
)
from tests.orchestrator.example import told_trial


def trial(number: int, left: float, **measured: float) -> TrialRecord:
    """Return a trial with a share of the dense parameters left, and columns such as ``accuracy_fog_3``."""
    columns = {name.replace("_", "@", 1): value for name, value in measured.items()}
    costs = {"params": left, "params_dense": 1.0, "macs": left**2, "macs_dense": 1.0, "accuracy": 0.9}
    record = told_trial(0)
    return replace(record, trial=number, paradigm="magnitude" if number else "dense", metrics={**costs, **columns})


STUDY = [
    trial(0, 1.0, accuracy_clean=0.95, accuracy_fog_3=0.80),
    trial(1, 0.5, accuracy_clean=0.948, accuracy_fog_3=0.795),
    trial(2, 0.1, accuracy_clean=0.945, accuracy_fog_3=0.70),
    trial(3, 0.05, accuracy_clean=0.90, accuracy_fog_3=0.60),
]


def test_the_potential_is_the_most_that_stays_within_delta_on_a_distribution() -> None:
    clean, fog = potentials(STUDY, 0.005)
    assert (clean.distribution, clean.dense, clean.trial) == ("clean", 0.95, 2)
    assert (clean.params, clean.macs) == pytest.approx((0.9, 0.99))
    assert (fog.trial, fog.params) == (1, 0.5)
    assert potentials(STUDY, 0.3)[1].trial == 3


def test_where_no_pruned_trial_stays_within_it_is_zero() -> None:
    (clean, fog) = potentials(STUDY, 0.0)
    assert (clean.params, clean.trial, fog.params) == (0.0, 0, 0.0)


def test_without_a_dense_trial_that_was_evaluated_there_is_none() -> None:
    assert potentials(STUDY[1:]) == []
    assert potentials([trial(0, 1.0), *STUDY[1:]]) == []


def test_distributions_are_neither_classes_nor_means() -> None:
    measured = trial(0, 1.0, accuracy_class_3=1, accuracy_corrupted_3=1, accuracy_fog_3=1, accuracy_clean=1)
    assert distributions([measured]) == ["clean", "fog_3"]


def test_corruptions_are_grouped_by_severity() -> None:
    metrics = {"accuracy@fog_3": 0.5, "accuracy@noise_3": 0.1, "accuracy@snow_5": 0.4, "nll@fog_3": 1.0}
    assert corrupted_columns(metrics) == {3: ["accuracy@fog_3"], 5: ["accuracy@snow_5"]}


def test_excess_error_is_what_corruption_costs_beyond_what_it_costs_the_dense_network() -> None:
    dense = {"accuracy@clean": 0.95, "accuracy@fog_3": 0.80, "accuracy@snow_3": 0.70}
    pruned = {"accuracy@clean": 0.93, "accuracy@fog_3": 0.70, "accuracy@snow_3": 0.60}
    columns = summary_columns(pruned, dense)
    assert columns["excess_error@corrupted_3"] == pytest.approx((0.93 - 0.65) - (0.95 - 0.75))
    assert columns["accuracy@corrupted_3"] == pytest.approx(0.65)
    assert columns["accuracy@corrupted_worst_3"] == 0.60
    assert "excess_error@corrupted_3" not in summary_columns(pruned, {})


def test_the_slope_goes_through_the_origin_and_its_interval_holds_it() -> None:
    ratios = np.linspace(0.1, 0.9, 40)
    errors = 0.02 * ratios + np.random.default_rng(1).normal(0, 0.004, 40)
    slope, low, high = slope_with_interval(ratios, errors, seed=3)
    assert low < 0.02 < high
    assert low < slope < high
    assert slope == pytest.approx(float(np.linalg.lstsq(ratios[:, None], errors, rcond=None)[0][0]))
    assert slope_with_interval(ratios, errors, seed=3) == (slope, low, high)
    assert slope_with_interval(ratios, errors, seed=4)[1] != low


def test_equal_errors_have_an_interval_too() -> None:
    assert slope_with_interval(np.array([0.5, 0.5]), np.array([0.1, 0.1])) == pytest.approx((0.2, 0.2, 0.2))


def test_slopes_need_two_pruned_trials() -> None:
    measured = [replace(r, metrics={**r.metrics, **summary_columns(r.metrics, STUDY[0].metrics)}) for r in STUDY]
    (slope,) = slopes(measured)
    assert (slope.severity, slope.trials) == (3, 3)
    assert slope.slope > 0
    assert slopes(measured[:2]) == []


def test_the_classes_that_lose_most_are_named_first() -> None:
    dense = {f"accuracy@class_{number}": 0.9 for number in range(4)}
    pruned = {"accuracy@class_0": 0.9, "accuracy@class_1": 0.5, "accuracy@class_2": 0.8, "accuracy@class_3": 0.95}
    assert [one.number for one in forgotten(pruned, dense)] == [1, 2]
    assert forgotten(pruned, dense, most=1) == [Forgotten(1, 0.9, 0.5)]


@pytest.mark.parametrize(
    ("pgd100", "transfer", "fgsm", "masked"),
    [(0.3, 0.8, 0.5, []), (0.1, 0.8, 0.5, ["0.1"]), (0.3, 0.2, 0.5, ["0.1"]), (0.3, 0.8, 0.2, ["0.1"])],
)
def test_an_attack_that_other_attacks_beat_is_not_to_be_trusted(
    pgd100: float, transfer: float, fgsm: float, masked: list[str]
) -> None:
    metrics = {"pgd20": 0.3, "pgd100": pgd100, "transfer": transfer, "fgsm": fgsm}
    assert masked_gradients({f"accuracy@{name}_0.1": value for name, value in metrics.items()}) == masked


@pytest.mark.parametrize("attack", ["unrolled", "intermediate"])
def test_an_equilibrium_whose_way_there_betrays_it_is_not_to_be_trusted(attack: str) -> None:
    assert masked_gradients({"accuracy@pgd20_0.1": 0.3, f"accuracy@{attack}_0.1": 0.2}) == ["0.1"]
    assert masked_gradients({"accuracy@pgd20_0.1": 0.3, f"accuracy@{attack}_0.1": 0.4}) == []


@pytest.mark.parametrize(
    ("kinds", "seen"),
    [
        ((), []),
        (("fog",), ["clean", "fog_3", "file_fog_5"]),
        (("snow", "fog"), ["clean", "fog_3", "file_fog_5"]),
        (("frost",), ["clean"]),
    ],
)
def test_who_trained_on_a_corruption_has_seen_it_at_every_severity_and_the_clean_images(
    kinds: tuple[str, ...], seen: list[str]
) -> None:
    assert trained_on(["clean", "fog_3", "file_fog_5", "gaussian_noise_1", "cifar10_1"], kinds) == seen


def test_a_trial_without_a_known_dense_cost_prunes_nothing() -> None:
    assert pruned(STUDY[2], "params") == pytest.approx(0.9)
    assert pruned(STUDY[2], "macs") == pytest.approx(0.99)
    assert pruned(replace(STUDY[2], metrics={"params": 0.1}), "params") == 0.0


def test_clean_images_come_first_and_ensembles_and_validation_images_are_no_distributions() -> None:
    measured = trial(0, 1.0, accuracy_fog_3=1, accuracy_clean=1)
    more = {"accuracy@deep_ensemble": 1.0, "accuracy@validation_fog_3": 1.0, "accuracy@snow_1": 1.0, "nll@rain_1": 1.0}
    assert distributions([replace(measured, metrics={**measured.metrics, **more})]) == ["clean", "fog_3", "snow_1"]


def test_of_two_that_prune_as_much_the_first_is_named() -> None:
    alike = [STUDY[0], replace(STUDY[1], trial=9), STUDY[1]]
    assert [each.trial for each in potentials(alike, 0.005)] == [1, 1]


def test_a_radius_is_told_apart_and_equal_attacks_are_trusted() -> None:
    metrics = {"accuracy@pgd20_0.1": 0.3, "accuracy@pgd100_0.1": 0.295, "accuracy@pgd20_0.2": 0.3}
    assert masked_gradients({**metrics, "accuracy@pgd100_0.2": 0.28}) == ["0.2"]
    assert masked_gradients({**metrics, "accuracy@pgd100_0.2": 0.28}, tolerance=0.03) == []
    assert masked_gradients({"accuracy@fgsm_0.1": 0.1}) == []


def test_classes_that_lose_alike_are_named_in_their_order() -> None:
    dense = {f"accuracy@class_{number}": 0.9 for number in (10, 2)}
    lost = forgotten({"accuracy@class_10": 0.5, "accuracy@class_2": 0.5, "accuracy@class_7": 0.1}, dense)
    assert [one.number for one in lost] == [2, 10]
    assert lost[0].drop == pytest.approx(0.4)

"""Which hyper-parameters matter."""

from dataclasses import replace

import optuna
import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.importance import FEWEST, importances
from tests.orchestrator.example import OBJECTIVES, told_trial
from trainables.spec import Value


def trial(number: int) -> TrialRecord:
    strong, weak = (7 * number % 20) / 20, (3 * number % 20) / 20
    params: dict[str, Value] = {"strong": strong, "weak": weak, "scope": ["global", "layer"][number % 2], "fixed": 1}
    return replace(told_trial(1), trial=number, params=params, metrics={"accuracy": strong, "macs": 1 - strong})


def test_what_decides_an_objective_has_the_largest_share_and_shares_add_to_one() -> None:
    before = optuna.logging.get_verbosity()
    shares = importances([trial(number) for number in range(20)], OBJECTIVES)
    assert list(shares) == list(OBJECTIVES)
    for of_metric in shares.values():
        assert max(of_metric, key=lambda name: of_metric[name]) == "strong"
        assert set(of_metric) == {"strong", "weak", "scope"}
        assert sum(of_metric.values()) == pytest.approx(1.0)
    assert shares == importances([trial(number) for number in range(20)], OBJECTIVES)
    assert optuna.logging.get_verbosity() == before


def test_few_trials_or_nothing_searched_say_nothing() -> None:
    assert importances([trial(number) for number in range(FEWEST - 1)], OBJECTIVES) == {}
    assert importances([replace(trial(1), trial=number) for number in range(20)], OBJECTIVES) == {}
    assert importances([], OBJECTIVES) == {}


def test_an_objective_in_which_all_are_equal_is_left_out() -> None:
    records = [replace(trial(n), metrics={"accuracy": trial(n).metrics["accuracy"], "macs": 1.0}) for n in range(20)]
    assert list(importances(records, OBJECTIVES)) == ["accuracy"]


def test_only_what_all_eligible_trials_have_counts() -> None:
    records = [trial(number) for number in range(20)]
    lacking = replace(records[0], params={n: v for n, v in records[0].params.items() if n != "weak"})
    refused = replace(trial(30), params={"strong": 0.5}, feasible=False)
    for shares in importances([lacking, *records[1:], refused], OBJECTIVES).values():
        assert set(shares) == {"strong", "scope"}


def test_the_study_s_direction_decides_who_is_among_the_best() -> None:
    records = [trial(number) for number in range(20)]
    best = importances(records, {"accuracy": "maximize"})["accuracy"]
    inverted = [replace(r, metrics={**r.metrics, "accuracy": -r.metrics["accuracy"]}) for r in records]
    assert importances(inverted, {"accuracy": "minimize"})["accuracy"] == best

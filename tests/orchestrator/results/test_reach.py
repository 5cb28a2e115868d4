"""What each paradigm reaches within shares of the dense network's cost."""

from dataclasses import replace

from hypothesis import given

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.report import render
from orchestrator.results.front import Objectives
from orchestrator.results.reach import SHARES, cost_of, reaches
from orchestrator.results.reference import share_of_dense
from orchestrator.results.trials import Trials
from tests.orchestrator.drawn import studies
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.report.test_report import study_spec


def of(paradigm: str, accuracy: float, share: float, trial: int) -> TrialRecord:
    """Return a finished trial whose network has so large a share of the dense one's MACs."""
    record = told_trial(0)
    costs = {"accuracy": accuracy, "macs": share * record.metrics["macs_dense"]}
    return replace(record, paradigm=paradigm, trial=trial, metrics={**record.metrics, **costs})


def numbers(trials: Trials) -> dict[str, list[int | None]]:
    return {reach.paradigm: [one.trial if one else None for one in reach.best] for reach in reaches(trials)}


def test_each_paradigm_has_its_best_within_each_share_although_others_dominate_it() -> None:
    records = [
        of("dense", 0.99, 1.0, 0),
        of("ahead", 0.98, 0.05, 1),
        of("behind", 0.7, 0.2, 2),
        of("behind", 0.9, 0.6, 3),
    ]
    assert numbers(Trials(records, OBJECTIVES)) == {
        "ahead": [1, 1, 1, 1, 1],
        "behind": [None, 2, 2, 3, 3],
        "dense": [None, None, None, None, 0],
    }


def test_the_best_of_a_column_lead_it_equal_ones_together() -> None:
    records = [of("a", 0.9, 0.2, 0), of("b", 0.9, 0.1, 1), of("c", 0.95, 0.5, 2)]
    leads = {reach.paradigm: sorted(reach.leads) for reach in reaches(Trials(records, OBJECTIVES))}
    assert leads == {"a": [1], "b": [0, 1], "c": [2, 3, 4]}


def test_of_equally_good_trials_the_smaller_one_is_named() -> None:
    assert numbers(Trials([of("a", 0.9, 0.4, 0), of("a", 0.9, 0.3, 1)], OBJECTIVES)) == {"a": [None, None, 1, 1, 1]}


def test_shares_are_of_the_network_of_the_study_also_where_a_paradigm_has_its_own() -> None:
    own = of("own", 0.8, 0.5, 1)
    own = replace(own, metrics={**own.metrics, "macs_dense": own.metrics["macs"]})
    assert numbers(Trials([own], OBJECTIVES)) == {"own": [None, None, None, None, 1]}
    assert numbers(Trials([told_trial(0), own], OBJECTIVES))["own"] == [None, None, 1, 1, 1]


def test_the_cost_is_the_first_objective_that_is_a_share_of_the_dense_network() -> None:
    assert cost_of(("accuracy", "train_seconds", "mults")) == "mults"
    assert cost_of(("accuracy", "latency")) == "macs"


def test_trials_that_have_not_measured_what_selects_are_left_out() -> None:
    objectives: Objectives = {"macs": "minimize", "params": "minimize"}
    record = told_trial(0)
    without = replace(record, metrics={name: value for name, value in record.metrics.items() if name != "accuracy"})
    assert reaches(Trials([without], objectives)) == []


@given(studies())
def test_more_cost_never_makes_a_paradigm_worse(records: list[TrialRecord]) -> None:
    trials = Trials(records, OBJECTIVES)
    for reach in reaches(trials):
        assert all(
            (share_of_dense("macs", one.metrics, trials.reference) or 0.0) <= share
            for one, share in zip(reach.best, SHARES, strict=True)
            if one is not None
        )
        accuracies = [one.metrics["accuracy"] if one else 0.0 for one in reach.best]
        assert accuracies == sorted(accuracies)


def test_a_report_says_what_paradigms_reach_once_there_are_several() -> None:
    assert "What each paradigm reaches" in render(study_spec(), told_trials(8), {})
    assert "What each paradigm reaches" not in render(study_spec(), told_trials(1), {})

"""A study in a few figures."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import TOLD, is_eligible, pareto_front
from orchestrator.results.summary import Summary, best, summarize
from orchestrator.results.trials import Trials
from tests.orchestrator import small
from tests.orchestrator.drawn import studies
from tests.orchestrator.example import DENSE, OBJECTIVES, told_trial, told_trials

SPEC = small.study(trials=12, objectives=OBJECTIVES)
few = settings(max_examples=25)


@given(studies())
@few
def test_every_trial_is_counted_in_one_state(records: list[TrialRecord]) -> None:
    summary = summarize(SPEC, records)
    states = Counter(record.state for record in records)
    counted = (summary.running, summary.paused, summary.complete, summary.pruned, summary.failed)
    assert counted == tuple(
        states[state] for state in (State.RUNNING, State.PAUSED, State.COMPLETE, State.PRUNED, State.FAIL)
    )
    assert sum(counted) == summary.asked == len(records)
    assert summary.told == sum(record.state in TOLD for record in records)


@given(studies())
@few
def test_the_best_values_are_those_of_eligible_trials(records: list[TrialRecord]) -> None:
    eligible = [record for record in records if is_eligible(record, OBJECTIVES)]
    reached = best(Trials(records, SPEC.objectives))
    if not eligible:
        assert reached == {}
    else:
        assert reached["accuracy"].metrics["accuracy"] == max(record.metrics["accuracy"] for record in eligible)
        assert reached["macs"].metrics["macs"] == min(record.metrics["macs"] for record in eligible)


@given(studies())
@few
def test_a_summary_explains_a_missing_front_and_only_that(records: list[TrialRecord]) -> None:
    summary = summarize(SPEC, records)
    assert summary.on_front == len(pareto_front(records, OBJECTIVES))
    assert (summary.no_front is None) == bool(summary.on_front) == bool(summary.best)
    assert 0 <= summary.hypervolume <= 1 + 1e-9


def test_a_trial_that_misses_a_constraint_is_complete_but_neither_best_nor_on_the_front() -> None:
    refused = replace(told_trial(0), feasible=False, metrics={**told_trial(0).metrics, "accuracy": 1.0})
    summary = summarize(SPEC, [refused, told_trial(1)])
    assert (summary.complete, summary.infeasible, summary.on_front) == (2, 1, 1)
    assert summary.best["accuracy"] == told_trial(1).metrics["accuracy"]


def test_a_stopped_trial_is_never_infeasible() -> None:
    assert summarize(SPEC, [replace(told_trial(4), feasible=False)]).infeasible == 0


def test_trials_from_before_the_epochs_were_raised_are_outgrown_once_told() -> None:
    old = [replace(told_trial(number), share=0.5) for number in (0, 4)]
    paused = replace(told_trial(1), state=State.PAUSED, share=0.5)
    assert summarize(SPEC, [*old, paused]).outgrown == 2


def test_seconds_are_those_of_all_trials_together() -> None:
    records = told_trials(8)
    assert summarize(SPEC, records).seconds == sum(record.seconds for record in records) == 4 * 6 + 2 + 1


def over(trials: int, records: list[TrialRecord]) -> Summary:
    return summarize(small.study(trials=trials, objectives=OBJECTIVES), records)


def test_a_study_is_over_when_as_many_trials_are_finished_as_its_file_asks_for() -> None:
    assert not over(9, told_trials(8)).is_over
    assert over(8, told_trials(8)).is_over
    assert over(7, told_trials(8)).is_over
    running = replace(told_trial(7), state=State.RUNNING)
    assert not over(8, [*told_trials(7), running]).is_over


def test_the_best_value_follows_the_direction_of_the_objective() -> None:
    first, second = told_trial(0), replace(told_trial(1), metrics={**told_trial(1).metrics, "loss": 0.01})
    assert best(Trials([first, second], SPEC.objectives)) == {"accuracy": first, "macs": second}
    assert best(Trials([first, second], {"loss": "minimize"})) == {"loss": second}


def test_a_summary_counts_every_trial_once() -> None:
    records = [
        told_trial(0),
        replace(told_trial(1), feasible=False),
        told_trial(4),
        told_trial(6),
        replace(told_trial(7), state=State.RUNNING),
    ]
    summary = summarize(SPEC, records)
    assert (summary.asked, summary.running) == (5, 1)
    assert (summary.complete, summary.pruned, summary.failed, summary.infeasible) == (2, 1, 1, 1)
    assert summary.told + summary.running == len(records)
    assert (summary.on_front, summary.best) == (1, {"accuracy": 0.99, "macs": DENSE["macs"]})
    assert summary.best_trials == {"accuracy": 0, "macs": 0}
    assert summary.hypervolume == 0  # the dense network lies on the reference


@pytest.mark.parametrize("records", [[told_trial(0)], []])
def test_a_summary_says_why_only_where_there_is_no_front(records: list[TrialRecord]) -> None:
    assert (summarize(SPEC, records).no_front is None) == bool(records)

"""Trials under objectives, with what follows from them."""

import pytest

from orchestrator.results.front import pareto_front
from orchestrator.results.replicates import front_by_mean
from orchestrator.results.trials import Trials
from orchestrator.spec.constraints import Constraint
from tests.orchestrator.example import OBJECTIVES, told_trials
from tests.orchestrator.results.test_replicates import seeds


def test_the_front_is_that_of_the_trials() -> None:
    trials = Trials(told_trials(12), OBJECTIVES)
    assert trials.front == pareto_front(told_trials(12), OBJECTIVES)
    assert trials.members == {record.trial for record in trials.front}
    assert trials.reference is not None
    assert trials.reference.paradigm == "dense"


@pytest.mark.parametrize("bounds", [(), (Constraint("macs", "<=", 250.0),)])
def test_by_the_mean_the_front_is_that_of_the_configurations(bounds: tuple[Constraint, ...]) -> None:
    records = [
        *seeds(1, [0.9, 0.99, 0.8], [100.0, 100.0, 100.0]),
        *seeds(2, [0.92, 0.93, 0.94], [200.0, 210.0, 190.0]),
        *seeds(3, [0.95, 0.96], [300.0, 300.0]),
        *seeds(4, [0.91, 0.90], [250.0, 260.0]),
    ]
    means = Trials(records, OBJECTIVES, bounds).by_mean
    assert [record.trial for record in means.front] == [
        group.first.trial for group in front_by_mean(records, OBJECTIVES, bounds)
    ]
    assert means.front

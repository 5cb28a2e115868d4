"""Configurations that were trained with several seeds."""

from dataclasses import replace

import pytest

from orchestrator.results.repeats import repeats
from tests.orchestrator.example import OBJECTIVES, told_trial


def test_only_eligible_trials_that_differ_in_nothing_but_their_seed_are_a_repeat() -> None:
    first = told_trial(1)
    again = replace(first, trial=8, seed=1, metrics={**first.metrics, "accuracy": first.metrics["accuracy"] - 0.02})
    other = replace(first, trial=9, seed=2, params={**first.params, "scope": "layer"})
    refused = replace(first, trial=10, seed=3, feasible=False)
    same_seed = replace(first, trial=11)
    (repeat,) = repeats([first, again, other, refused, same_seed], OBJECTIVES)
    assert [record.trial for record in repeat.records] == [1, 8]
    assert repeat.mean("accuracy") == pytest.approx(first.metrics["accuracy"] - 0.01)
    assert repeat.deviation("accuracy") == pytest.approx(0.02 / 2**0.5)
    assert repeat.mean("latency") is None

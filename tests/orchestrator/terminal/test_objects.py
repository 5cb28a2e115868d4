"""What programs read of trials, logs and paradigms."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import State
from orchestrator.results.replicates import Replicates
from orchestrator.store.attempts import Attempt
from orchestrator.terminal.objects import as_json, log_object, mean_object, paradigm_object, trial_object
from tests.orchestrator.example import OBJECTIVES, told_trial
from trainables import paradigms

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def as_read(value: object) -> object:
    """Return what a program reads that takes nothing but JSON."""
    return json.loads(as_json(value), parse_constant=refuse)


def with_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {name: with_nulls(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [with_nulls(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@given(JSON)
def test_all_values_are_read_back_and_what_is_not_finite_as_null(value: object) -> None:
    assert as_read(value) == with_nulls(value)


def test_tuples_and_states_are_written_as_lists_and_text() -> None:
    assert as_read({"state": State.PRUNED, "nodes": (1.0, math.inf)}) == {"state": "PRUNED", "nodes": [1.0, None]}


def test_a_trial_names_its_objectives_first_and_then_all_measurements() -> None:
    record = told_trial(1)
    found = trial_object(record, OBJECTIVES)
    assert list(found)[:8] == ["trial", "paradigm", "state", "fidelity", "seed", "hyperparameters", "accuracy", "macs"]
    assert found["hyperparameters"] == record.params
    assert {name: found[name] for name in record.metrics} == record.metrics
    assert found["metrics"] == record.metrics
    assert found["seconds"] == record.seconds


def test_a_trial_without_an_objective_is_no_object_of_a_front() -> None:
    with pytest.raises(KeyError, match="latency"):
        trial_object(told_trial(1), ["latency"])


def test_a_log_holds_the_reason_and_each_attempt_in_order() -> None:
    moment = datetime(2026, 3, 1, 9, tzinfo=UTC)
    attempts = [Attempt(Path("a/00006-1"), moment, "begins\n", ""), Attempt(Path("a/00006-2"), moment, "", "killed")]
    found = log_object(told_trial(6), attempts)
    assert (found["state"], found["reason"], found["failure"]) == ("FAIL", "accuracy is NaN", "error")
    assert found["said"] == [
        {"folder": "a/00006-1", "last_word": "2026-03-01T09:00:00+00:00", "log": "begins\n", "error": ""},
        {"folder": "a/00006-2", "last_word": "2026-03-01T09:00:00+00:00", "log": "", "error": "killed"},
    ]


@pytest.mark.parametrize("name", paradigms.names())
def test_a_paradigm_says_the_default_and_the_domain_of_each_hyper_parameter(name: str) -> None:
    paradigm = paradigms.find(name)
    found = paradigm_object(name, paradigm)
    assert (found["name"], found["axes"], found["source"]) == (name, dict(paradigm.axes), paradigm.source)
    hyperparameters = found["hyperparameters"]
    assert isinstance(hyperparameters, dict)
    assert list(hyperparameters) == list(paradigm.hyperparameters())
    for key, domain in hyperparameters.items():
        assert paradigm.hyperparameters()[key].accepts(domain["default"])
        assert ("choices" in domain) != ("low" in domain)
        assert None not in domain.values()
    assert as_read(found) == json.loads(json.dumps(found))


def test_a_mean_has_its_interval_and_a_single_seed_none() -> None:
    first = told_trial(1)
    second = replace(first, trial=8, seed=7, metrics={**first.metrics, "accuracy": first.metrics["accuracy"] - 0.02})
    several, single = mean_object(Replicates((first, second)), [3]), mean_object(Replicates((first,)), [])
    assert (several["trials"], several["seeds"], several["may_be_dominated_by"]) == ([1, 8], [101, 7], [3])
    accuracy = dict(json.loads(as_json(several)))["metrics"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(first.metrics["accuracy"] - 0.01)
    assert (accuracy["low"] + accuracy["high"]) / 2 == pytest.approx(accuracy["mean"])
    only = json.loads(as_json(single))["metrics"]["accuracy"]
    assert only == {"mean": first.metrics["accuracy"], "low": None, "high": None}

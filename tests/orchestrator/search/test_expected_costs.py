"""What is known of costs before training, and configurations that a constraint on them refuses."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.records import State
from orchestrator.search.configurations import Configurations
from orchestrator.search.expected_costs import ExpectedCosts
from orchestrator.spec.study_spec import StudySpec
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import FIXED, Silence, epoch, launched, ledger_of, study

LAYERWISE: dict[str, Any] = {**FIXED, "scope": "layer"}
SPARSITY = {"low": 0.2, "high": 0.9}


def spec(bound: str, **changes: Any) -> StudySpec:
    paradigms = {"dense": {}, "magnitude": {**LAYERWISE, "sparsity": SPARSITY}}
    return study(**{"paradigms": paradigms, "constraints": {"macs": bound}, **changes})


def test_what_is_roughly_known_is_a_percent_off_at_most() -> None:
    costs = ExpectedCosts(spec("<= 1e6"))
    for sparsity in (0.21, 0.5, 0.834):
        params = {**LAYERWISE, "sparsity": sparsity}
        exact, rough = costs("magnitude", params)["macs"], costs("magnitude", params, roughly=True)["macs"]
        assert exact.is_exact
        assert rough.low == pytest.approx(exact.low, rel=0.012)


def test_of_a_configuration_that_cannot_be_carried_out_nothing_is_known() -> None:
    assert ExpectedCosts(spec("<= 1e6"))("magnitude", {"finetune": 0.9, "sparsity": 7.0}) == {}


def test_a_network_that_is_surely_too_large_breaks_the_constraint_and_the_dense_one_is_the_reference() -> None:
    space = Configurations(spec("<= 300000"))
    assert space.breach("magnitude", {**LAYERWISE, "sparsity": 0.9}) is None
    assert space.breach("magnitude", {**LAYERWISE, "sparsity": 0.2}) == (
        "macs would be 723,040, and must be <= 300,000: known before training"
    )
    assert space.breach("dense", {}) is None


def test_where_the_cost_may_meet_the_constraint_nothing_is_refused() -> None:
    space = Configurations(spec("<= 300000"))
    ranked = {**LAYERWISE, "scope": "global", "sparsity": 0.8}
    expected = space.expected_costs("magnitude", ranked)["macs"]
    assert expected.low < 300_000 < expected.high
    assert space.breach("magnitude", ranked) is None


def test_a_study_without_constraints_on_costs_computes_none() -> None:
    assert not Configurations(study()).may_breach
    assert not Configurations(study(constraints={"accuracy": ">= 0.5"})).may_breach


def test_draws_that_surely_break_a_constraint_are_drawn_again(tmp_path: Path) -> None:
    with launched(spec("<= 300000", trials=8), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        trials = [sweep.next() for _ in range(8)]
        chosen = [trial.configuration for trial in trials if trial is not None]
        assert len(chosen) == 8
        sparsities = [one.params["sparsity"] for one in chosen if one.paradigm == "magnitude"]
        assert sparsities
        assert all(float(sparsity) > 0.66 for sparsity in sparsities)


def test_where_no_draw_meets_the_constraint_the_trial_fails_untrained_with_the_reason(tmp_path: Path) -> None:
    only = {"magnitude": {**LAYERWISE, "sparsity": 0.2}}
    with launched(spec("<= 300000", paradigms=only, trials=2), tmp_path) as ledger:
        assert Sweep(ledger, Silence()).next() is None
        records = ledger.records()
        assert [record.state for record in records] == [State.FAIL, State.FAIL]
        assert all("known before training" in str(record.reason) for record in records)
        assert not any(record.curve for record in records)


def test_a_trial_that_was_being_trained_continues(tmp_path: Path) -> None:
    only = {"magnitude": {**LAYERWISE, "sparsity": 0.2}}
    free = study(paradigms=only, trials=1)
    with launched(free, tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        sweep.report(trial.number, epoch(sweep, trial, 1))
    with ledger_of(free.model_copy(update={"constraints": {"macs": "<= 300000"}}), tmp_path) as ledger:
        resumed = Sweep(ledger, Silence()).next()
        assert resumed is not None
        assert resumed.number == trial.number

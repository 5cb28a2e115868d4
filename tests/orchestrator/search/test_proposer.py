"""What is proposed follows from the study's seed, the trial's number and what is known by then."""

import math
from collections.abc import Collection
from pathlib import Path

import pytest

from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.search import sampler_policy
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import Silence, ledger_of, run_to_end, study

TRIALS = 24
SEVERAL = {"dense": {}, "magnitude": {}, "lottery_ticket": {"rounds": [1, 2]}}
ONE = {"magnitude": {"granularity": ["weight", "filter"], "schedule": "one_shot", "weights": "rewind_lr"}}


def asked(folder: Path, sampler: str, paradigms: object, interrupted_at: Collection[int] = ()) -> list[TrialRecord]:
    """Run a study, every fifth trial of which fails, in as many processes as it was interrupted times, and one."""
    spec = study(sampler=sampler, paradigms=paradigms, trials=TRIALS, epochs=5)
    for stop in (*interrupted_at, TRIALS):
        with ledger_of(spec, folder) as ledger:
            sweep = Sweep(ledger, Silence())
            while ledger.asked < stop and (trial := sweep.next()) is not None:
                if trial.number % 5 == 3:
                    sweep.begin(trial.number)
                    sweep.fail(trial.number, Breakdown(Failure.ERROR, "unlucky"))
                else:
                    run_to_end(sweep, trial)
            records = ledger.records()
    return records


@pytest.mark.parametrize("paradigms", [SEVERAL, ONE], ids=["several", "one"])
@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_resumed_study_asks_what_the_uninterrupted_one_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, paradigms: object
) -> None:
    monkeypatch.setattr(sampler_policy, "WORTH_PREPARING", math.inf)  # what is drawn ahead knows less than what is not
    whole = asked(tmp_path / "whole", sampler, paradigms)
    resumed = asked(tmp_path / "resumed", sampler, paradigms, interrupted_at=(2, 9, 11, 17))
    assert [(one.paradigm, dict(one.params), one.seed) for one in resumed] == [
        (one.paradigm, dict(one.params), one.seed) for one in whole
    ]
    assert {record.state for record in whole} == {State.COMPLETE, State.FAIL}
    assert len({str(record.params) for record in whole}) > TRIALS // 2


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2"])
def test_another_seed_asks_something_else(tmp_path: Path, sampler: str) -> None:
    drawn = []
    for seed in (0, 1):
        spec = study(sampler=sampler, paradigms={"magnitude": {}}, trials=4, epochs=5, seed=seed, name=f"s{seed}")
        with ledger_of(spec, tmp_path) as ledger:
            sweep = Sweep(ledger, Silence())
            while (trial := sweep.next()) is not None:
                run_to_end(sweep, trial)
            drawn.append([record.params["finetune"] for record in ledger.records()])
    assert not set(drawn[0]) & set(drawn[1])


@pytest.mark.parametrize("sampler", ["known_cost", "graph", "auto"])
def test_a_study_that_searches_nothing_tries_what_there_is(tmp_path: Path, sampler: str) -> None:
    spec = study(sampler=sampler, paradigms={"dense": {}}, trials=1, epochs=5)
    with ledger_of(spec, tmp_path) as ledger:
        hours = iter(range(100))
        sweep = Sweep(ledger, Silence(), clock=lambda: 3600.0 * next(hours))
        while (trial := sweep.next()) is not None:
            run_to_end(sweep, trial)
        assert [record.paradigm for record in ledger.records()] == ["dense"]

"""What `search.seeds` repeats, and when: the front, or everything, while the trials last."""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.replicates import configuration_key
from orchestrator.search.configurations import Configurations
from orchestrator.search.replication import REPLICATE, lacking, next_replicate, trials_left
from orchestrator.spec.study_spec import StudySpec
from orchestrator.sweep.sweep import Assignment, Sweep
from tests.orchestrator.small import FIXED, Silence, epoch, ledger_of, run_all, run_to_end, study

SEVERAL = {"dense": {}, "magnitude": FIXED}
ONE = Configurations(study(trials=60, search={"seeds": 3}))
ALL = Configurations(study(trials=60, search={"seeds": 3, "repeat": "all"}))


def trial(number: int, accuracy: float, macs: float, *, like: int | None = None, seed: int = 0) -> TrialRecord:
    """Return a finished trial of a configuration of its own, or of that of the trial `like`."""
    chosen: dict[str, Any] = {**FIXED, "sparsity": 0.5 + 0.01 * (number if like is None else like)}
    return TrialRecord(
        study="small",
        trial=number,
        paradigm="magnitude",
        state=State.COMPLETE,
        seed=seed,
        params=chosen,
        fidelity=1.0,
        metrics={"accuracy": accuracy, "macs": macs},
    )


def owed(configurations: Configurations, *records: TrialRecord) -> list[tuple[int, int]]:
    return [(one.record.trial, one.seeds) for one in lacking(configurations, records)]


def run(spec: StudySpec, folder: Path, interrupted_at: Collection[int] = ()) -> list[TrialRecord]:
    """Run a study to its end, in one process more than it was interrupted times."""
    for stop in interrupted_at:
        with ledger_of(spec, folder) as ledger:
            sweep = Sweep(ledger, Silence())
            while ledger.asked < stop and (asked := sweep.next()) is not None:
                run_to_end(sweep, asked)
    with ledger_of(spec, folder) as ledger:
        return run_all(Sweep(ledger, Silence()))


def test_the_last_trials_repeat_each_member_of_the_front_with_as_many_seeds(tmp_path: Path) -> None:
    records = run(study(paradigms=SEVERAL, trials=12, seed=7, search={"seeds": 3}), tmp_path)
    assert [record.sampler == REPLICATE for record in records] == [False] * 4 + [True] * 8
    seeds: dict[object, list[int]] = {}
    for record in records:
        seeds.setdefault(configuration_key(record), []).append(record.seed)
    assert list(seeds.values()) == [[7, 8, 9]] * 4


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_resumed_study_repeats_what_the_uninterrupted_one_would_have(tmp_path: Path, sampler: str) -> None:
    spec = study(sampler=sampler, paradigms=SEVERAL, trials=12, search={"seeds": 3})
    whole, resumed = run(spec, tmp_path / "whole"), run(spec, tmp_path / "resumed", interrupted_at=(3, 6, 9))
    assert [(one.paradigm, dict(one.params), one.seed) for one in resumed] == [
        (one.paradigm, dict(one.params), one.seed) for one in whole
    ]


def test_one_seed_repeats_nothing() -> None:
    records = [trial(number, 0.9, 50) for number in range(4)]
    assert next_replicate(Configurations(study(trials=5)), records) is None


def test_a_member_whose_mean_falls_behind_gets_no_more_seeds() -> None:
    lucky, steady = trial(0, 0.95, 50), trial(1, 0.9, 50)
    assert owed(ONE, lucky, steady) == [(0, 2)]
    assert owed(ONE, lucky, steady, trial(2, 0.7, 50, like=0, seed=1)) == [(1, 2)]


def test_those_with_the_fewest_seeds_come_first() -> None:
    front = [trial(0, 0.95, 60), trial(1, 0.9, 50), trial(2, 0.95, 60, like=0, seed=1)]
    assert owed(ONE, *front) == [(1, 2), (0, 1)]


def test_all_repeats_what_is_not_on_the_front_after_what_is() -> None:
    member, other = trial(1, 0.95, 50), trial(0, 0.9, 50)
    more = [trial(2, 0.95, 50, like=1, seed=1)]
    assert owed(ALL, other, member, *more) == [(1, 1), (0, 2)]
    assert owed(ONE, other, member, *more) == [(1, 1)]


def test_a_trial_that_failed_or_runs_has_had_its_seed() -> None:
    tried = [replace(trial(n, 0, 0, like=0, seed=n), state=state) for n, state in ((1, State.FAIL), (2, State.RUNNING))]
    assert owed(ONE, trial(0, 0.9, 50), *tried) == []


def test_the_dense_network_is_repeated_on_the_front_or_not() -> None:
    both = Configurations(study(paradigms=SEVERAL, trials=60, search={"seeds": 3}))
    dense = replace(trial(0, 0.9, 100), paradigm="dense", params={})
    assert owed(both, dense, trial(1, 0.95, 50)) == [(1, 2), (0, 2)]


def test_what_a_narrowed_space_excludes_is_not_repeated() -> None:
    narrow = {"magnitude": {**FIXED, "sparsity": {"low": 0.6, "high": 0.9}}}
    narrowed = Configurations(study(trials=60, paradigms=narrow, search={"seeds": 3}))
    assert owed(narrowed, trial(0, 0.9, 50), trial(20, 0.8, 20)) == [(20, 2)]


def test_the_search_ends_once_the_trials_left_just_suffice_for_the_seeds() -> None:
    front = [trial(number, 0.9 - 0.01 * number, 50 - number) for number in range(4)]
    for total, repeats in ((4 + 4 * 2 + 2, True), (4 + 4 * 2 + 3, False)):  # two seeds each, and of one more
        configurations = Configurations(study(trials=total, search={"seeds": 3}))
        assert (next_replicate(configurations, front) is not None) is repeats


def test_a_budget_that_is_nearly_spent_ends_the_search_too() -> None:
    front = [trial(number, 0.9 - 0.01 * number, 50 - number) for number in range(4)]
    assert next_replicate(ONE, front, spent=0.2) is None
    assert next_replicate(ONE, front, spent=0.3) is not None
    assert trials_left(60, 10, 0.0) == 50
    assert trials_left(60, 10, 0.5) == 10


def test_everything_is_repeated_as_often_as_the_trials_last(tmp_path: Path) -> None:
    spec = study(objectives={"macs": "minimize"}, trials=12, search={"seeds": 3, "repeat": "all"})
    assert Counter(map(configuration_key, run(spec, tmp_path))).most_common()[-1][1] == 3


def test_a_further_seed_is_not_stopped_at_a_rung(tmp_path: Path) -> None:
    bad = {"accuracy": 0.01, "macs_projected": 1e6}
    with ledger_of(study(trials=12, rungs=[2, 3], search={"seeds": 4}), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        while not is_replicate(sweep, asked := handed_out(sweep)):
            run_judged(sweep, asked)
        assert run_judged(sweep, asked, **bad) == [True, True]


def run_judged(sweep: Sweep, asked: Assignment, **changes: float) -> list[bool]:
    """Let a trial run to its end; return whether it may continue at each rung."""
    sweep.begin(asked.number)
    verdicts = []
    for number in range(1, 5):
        sweep.report(asked.number, epoch(sweep, asked, number, **changes))
        if number in sweep.spec.fidelity.rungs:
            verdicts.append(sweep.judge(asked.number, sweep.ledger.record(asked.number).curve[-1]).continues)
    sweep.end(asked.number)
    return verdicts


def handed_out(sweep: Sweep) -> Assignment:
    asked = sweep.next()
    assert asked is not None
    return asked


def is_replicate(sweep: Sweep, asked: Assignment) -> bool:
    return sweep.ledger.record(asked.number).sampler == REPLICATE

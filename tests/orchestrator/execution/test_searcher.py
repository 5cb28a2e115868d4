"""What is tried: every paradigm once, nothing that cannot be carried out, nothing twice, and on where it stopped."""

from collections import Counter
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from optuna.distributions import FloatDistribution

from orchestrator.execution.capacity import Capacity
from orchestrator.execution.searcher import LedgerSearch
from orchestrator.execution.tune_run import _work_order
from orchestrator.execution.work_order import WorkOrder
from orchestrator.ledger import ledger
from orchestrator.ledger.budget import Spending
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import pareto_front
from orchestrator.search import proposer, sampler_policy, warm_start
from orchestrator.search.configurations import Configurations
from orchestrator.search.foresight import Foresight
from orchestrator.search.proposer import Proposer
from orchestrator.search.sampler_policy import Policy
from orchestrator.spec.study_spec import Resources, StudySpec
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import FIXED, Silence, ledger_of, run_all, run_to_end, study
from trainables import paradigms

SEVERAL = {"dense": {}, "magnitude": {}, "lottery_ticket": {"rounds": [1, 2]}}
BROKEN = Breakdown(Failure.ERROR, "x")
SAMPLERS = ("auto", "tpe", "nsga2", "gp", "random")


def searched(folder: Path, **changes: object) -> list[TrialRecord]:
    with ledger_of(study(**changes), folder) as ledger:
        return run_all(Sweep(ledger, Silence()))


def begin(spec: StudySpec, folder: Path, trials: int) -> None:
    """Run the first trials of a study, and close its ledger."""
    with ledger_of(spec, folder) as ledger:
        sweep = Sweep(ledger, Silence())
        for _ in range(trials):
            trial = sweep.next()
            assert trial is not None
            run_to_end(sweep, trial)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_proposes_the_total_of_feasible_trials(tmp_path: Path, sampler: str) -> None:
    records = searched(tmp_path, sampler=sampler, paradigms=SEVERAL, trials=14, epochs=5)
    assert [record.state for record in records] == [State.COMPLETE] * 14
    assert {record.paradigm for record in records} == SEVERAL.keys()
    assert [record.paradigm for record in records].count("dense") == 1
    for record in records:
        paradigms.find(record.paradigm).create(record.params).recipe(5)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_seed_decides_what_is_tried(tmp_path: Path, sampler: str) -> None:
    first, again, other = (
        [record.params for record in searched(tmp_path / name, sampler=sampler, seed=seed, trials=3)]
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first == again
    assert first != other


def test_a_resumed_search_goes_on_instead_of_repeating_itself(tmp_path: Path) -> None:
    for _ in range(4):
        with ledger_of(study(), tmp_path) as ledger:
            sweep = Sweep(ledger, Silence())
            trial = sweep.next()
            assert trial is not None
            run_to_end(sweep, trial)
    assert len({record.params["sparsity"] for record in ledger.records()}) == 4


def test_a_modelling_sampler_learns_in_spite_of_conditions_and_a_dense_baseline(tmp_path: Path) -> None:
    records = searched(
        tmp_path,
        sampler="nsga2",
        objectives={"macs": "minimize"},
        paradigms={"dense": {}, "magnitude": {"schedule": ["one_shot", "iterative"]}},
        trials=40,
        epochs=8,
    )
    late = [record.metrics["macs"] for record in records[28:]]
    early = [record.metrics["macs"] for record in records[1:13]]
    assert sum(late) / len(late) < 0.6 * sum(early) / len(early)


def test_a_study_of_settled_paradigms_replicates_them_with_new_seeds(tmp_path: Path) -> None:
    records = searched(tmp_path, paradigms={"dense": {}, "magnitude": {**FIXED, "sparsity": 0.5}}, trials=5, seed=7)
    assert [record.paradigm for record in records] == ["dense", "magnitude", "dense", "magnitude", "dense"]
    assert [record.seed for record in records] == [7, 7, 8, 8, 9]


def test_what_was_tried_before_is_tried_with_the_next_seed(tmp_path: Path) -> None:
    records = searched(tmp_path, paradigms={"magnitude": {**FIXED, "sparsity": [0.5, 0.9]}}, trials=8)
    assert max(Counter((str(record.params), record.seed) for record in records).values()) == 1
    for sparsity in (0.5, 0.9):
        seeds = [record.seed for record in records if record.params["sparsity"] == sparsity]
        assert seeds == list(range(len(seeds)))


def test_what_cannot_be_carried_out_is_told_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Configurations, "refusal", lambda *_: "no room")
    with ledger_of(study(trials=3), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        assert sweep.next() is None
        assert [(r.state, r.reason) for r in ledger.records()] == [(State.FAIL, "infeasible: no room")] * 3


def test_a_paradigm_that_raises_while_its_recipe_is_made_ends_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        monkeypatch.setattr(paradigms.find("magnitude"), "recipe", lambda *_: 1 / 0)
        assert Sweep(ledger, Silence()).next() is None
        assert ledger.record(0).reason == "infeasible: ZeroDivisionError: division by zero"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_is_searched_of_training_is_searched_whatever_the_paradigm(tmp_path: Path, sampler: str) -> None:
    training = {
        "lr": {"low": 0.01, "high": 1.0, "log": True},
        "batch_size": {"low": 16, "high": 64},
        "nesterov": [True, False],
    }
    spec = study(
        sampler=sampler,
        paradigms=SEVERAL,
        trials=14,
        epochs=5,
        training={"lr": 7.0, "momentum": 0.5},
        search={"training": training},
    )
    with ledger_of(spec, tmp_path) as ledger_:
        records = run_all(Sweep(ledger_, Silence()))
    assert [record.state for record in records] == [State.COMPLETE] * 14
    assert {record.paradigm for record in records} == SEVERAL.keys()
    for record in records:
        trial = spec.trial(record.paradigm, record.params, record.seed)
        trained = trial.training
        assert (trained.momentum, trained.lr) == (0.5, record.params["training.lr"])
        assert 0.01 <= trained.lr <= 1
        assert trained.batch_size in range(16, 65)
        assert type(trained.nesterov) is bool
        paradigms.find(record.paradigm).create(trial.hyperparameters).recipe(5)
    assert len({record.params["training.lr"] for record in records}) > 3
    assert all(Configurations(spec).contains(record.paradigm, record.params) for record in records)


def test_a_study_that_trains_in_one_way_teaches_another_that_searches_it(tmp_path: Path) -> None:
    searched(tmp_path, name="earlier", trials=2, training={"lr": 0.3, "batch_size": 32})
    store = Store(tmp_path)
    store.study("earlier").spec.write_text(
        study(name="earlier", trials=2, training={"lr": 0.3, "batch_size": 32}).as_yaml()
    )
    tuned = {"lr": {"low": 0.1, "high": 1.0}, "batch_size": [64, 128]}
    spec = study(search={"warm_start": ["earlier"], "training": tuned})
    for lesson in warm_start.lessons(spec, store.study("small")):
        drawn = Configurations(spec).drawn_as(lesson.paradigm, lesson.params)
        assert drawn == {
            "paradigm": "magnitude",
            "magnitude.sparsity": lesson.params["sparsity"],
            "training.lr": 0.3,
        }
    assert len(list(warm_start.lessons(spec, store.study("small")))) == 2


@pytest.mark.parametrize("lines", [1, 2, 3])
def test_a_trial_is_in_the_journal_whole_or_not_at_all(tmp_path: Path, lines: int) -> None:
    spec = study(paradigms=SEVERAL, trials=4, epochs=5)
    with ledger_of(spec, tmp_path) as ledger:
        before = ledger.folder.journal.read_bytes().count(b"\n")
        sweep = Sweep(ledger, Silence())
        asked = [sweep.next() for _ in range(lines)]
    journal = ledger.folder.journal
    ledger.folder.witness.unlink()  # a power failure comes before it
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[: before + lines]))
    with ledger_of(spec, tmp_path) as again:
        assert [found.configuration for found in again.unfinished()] == [one and one.configuration for one in asked]
        records = run_all(Sweep(again, Silence()))
    assert [record.state for record in records] == [State.COMPLETE] * 4
    assert {record.paradigm for record in records} == SEVERAL.keys()


def test_who_chose_a_trial_is_recorded_and_outlives_the_driver(tmp_path: Path) -> None:
    records = searched(tmp_path, sampler="auto", paradigms={"dense": {}, "magnitude": {}}, trials=3)
    assert [record.sampler for record in records] == ["fixed", "sobol", "sobol"]
    assert ledger.read(Store(tmp_path).study("small")) == records


@pytest.mark.parametrize("sampler", ["auto", "nsga2", "gp"])
def test_the_first_trials_are_spread_and_go_on_where_they_stopped(tmp_path: Path, sampler: str) -> None:
    spread = {**FIXED, "schedule": ["one_shot", "gradual"], "ramp": 0.75}
    spec = study(sampler=sampler, trials=12, paradigms={"magnitude": spread})
    begin(spec, tmp_path, 3)
    with ledger_of(spec, tmp_path) as again:
        records = run_all(Sweep(again, Silence()))
    assert [record.sampler == "sobol" for record in records] == [True] * 10 + [False] * 2
    distribution = Configurations(spec).distributions["magnitude.sparsity"]
    assert isinstance(distribution, FloatDistribution)
    extent = distribution.high - distribution.low
    shares = [(float(record.params["sparsity"]) - distribution.low) / extent for record in records[:8]]
    assert {int(8 * share) for share in shares} == set(range(8))
    assert {record.params["schedule"] for record in records[:4]} == {"one_shot", "gradual"}


def test_of_the_first_those_that_cannot_be_carried_out_are_left_out(tmp_path: Path) -> None:
    tight = {"greg": {"pruning": {"low": 0.1, "high": 0.7}, "finetune": {"low": 0.1, "high": 0.7}}}
    records = searched(tmp_path, sampler="auto", paradigms=tight, epochs=8, trials=12)
    assert [record.state for record in records] == [State.COMPLETE] * 12
    assert 0 < [record.sampler for record in records].count("sobol") < 10


@pytest.mark.parametrize("changes", [{"sampler": "random"}, {"sampler": "tpe", "paradigms": SEVERAL, "epochs": 5}])
def test_random_search_is_random_and_several_paradigms_are_not_filled_at_once(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert "sobol" not in {record.sampler for record in searched(tmp_path, **changes)}


def test_a_study_that_has_begun_to_breed_goes_on_breeding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler_policy, "LONG", 4)
    monkeypatch.setattr(proposer, "GENERATIONS_LAST", 3)
    spec = study(sampler="auto", trials=14, paradigms=SEVERAL, epochs=5, constraints={"accuracy": ">= 0.5"})
    begin(spec, tmp_path, 6)
    monkeypatch.setattr(sampler_policy, "LONG", 1000)
    with ledger_of(spec, tmp_path) as again:
        samplers = [record.sampler for record in run_all(Sweep(again, Silence()))]
    assert set(samplers[:4]) == {"fixed", "tpe"}
    assert samplers[4:] == ["nsga2"] * 10


def test_of_a_front_of_equal_trials_no_more_are_bred_from_than_make_a_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposer, "GENERATIONS_LAST", 5)
    spec = study(sampler="nsga2", trials=50, paradigms={"magnitude": {**FIXED, "sparsity": [0.3, 0.6]}})
    with ledger_of(spec, tmp_path) as driver:
        records = run_all(Sweep(driver, Silence()))
        bred_from = Proposer(Configurations(spec), driver, Foresight(spec))._view._storage.get_all_trials(0)
    assert len(pareto_front(records, spec.objectives)) == 50
    assert len(bred_from) <= 5 + Policy(spec, (), numeric=False).population(0)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_what_is_drawn_ahead_is_nowhere_until_it_is_handed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    monkeypatch.setattr(sampler_policy, "WORTH_PREPARING", -1.0)
    spec = study(sampler=sampler, trials=16, paradigms=SEVERAL, epochs=5)
    for handed_out in (4, 9):
        with ledger_of(spec, tmp_path) as driver:
            sweep = Sweep(driver, Silence())
            while driver.asked < handed_out:
                trial = sweep.next()
                assert trial is not None
                run_to_end(sweep, trial)
            assert [record.trial for record in driver.records()] == list(range(handed_out))
    with ledger_of(spec, tmp_path) as again:
        records = run_all(Sweep(again, Silence()))
    assert [record.state for record in records] == [State.COMPLETE] * 16
    assert len({(str(record.params), record.seed) for record in records}) == 16


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
@pytest.mark.parametrize("paradigm", ["magnitude", "lottery_ticket"])
def test_earlier_studies_teach_the_sampler_across_paradigms_that_share_a_hyper_parameter(
    tmp_path: Path, sampler: str, paradigm: str
) -> None:
    objectives = {"macs": "minimize"}
    searched(tmp_path, name="earlier", objectives=objectives, trials=30)
    Store(tmp_path).study("earlier").spec.write_text(study(name="earlier", objectives=objectives).as_yaml())
    changes = {"sampler": sampler, "objectives": objectives, "paradigms": {paradigm: {}}, "trials": 12, "epochs": 12}
    cold = searched(tmp_path, name="cold", **changes)
    warm = searched(tmp_path, name="warm", search={"warm_start": ["earlier"]}, **changes)
    assert len(warm) == 12
    assert mean(record.metrics["macs"] for record in warm) < 0.8 * mean(record.metrics["macs"] for record in cold)


def test_the_search_keeps_to_the_capacity_and_finishes_only_when_nothing_can_be_lost(tmp_path: Path) -> None:
    with ledger_of(study(trials=3), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        capacity = Capacity(Resources(cpus=1), count=lambda: [{"CPU": 2.0}])
        order = partial(_work_order, sweep, tmp_path / "data", "somewhere:run", lambda trial: trial)
        search = LedgerSearch(sweep, capacity, order)

        def given() -> int:
            trial = search.next_trial()
            assert trial is not None
            assert WorkOrder.from_dict(trial.config) == trial.order
            assert trial.custom_dirname == trial.order.folder.name == f"{trial.order.number:05d}-{trial.trial_id}"
            trial.create_placement_group_factory()
            assert trial.placement_group_factory.bundles == [{"CPU": 1.0}]
            return trial.order.number

        def is_over() -> bool:
            return search.next_trial() is None and search.is_finished()

        assert (given(), given()) == (0, 1)
        assert not is_over()
        sweep.take_back(0)
        assert given() == 0
        sweep.fail(0, BROKEN)
        sweep.fail(1, BROKEN)
        assert given() == 2
        assert not is_over()
        sweep.fail(2, BROKEN)
        assert is_over()


def test_when_the_time_is_spent_nothing_new_is_begun_but_what_was_interrupted_is_finished(tmp_path: Path) -> None:
    spec = study(trials=3, hours=0.5)
    with ledger_of(spec, tmp_path) as ledger:
        assert Sweep(ledger, Silence()).next() is not None
        ledger.spent = Spending(seconds=1800)
    with ledger_of(spec, tmp_path) as again:
        sweep = Sweep(again, Silence())
        records = run_all(sweep)
        assert sweep.spent_budget == "budget.hours = 0.5"
        sweep.close()
        assert again.spent.seconds >= 1800
    assert [record.state for record in records] == [State.COMPLETE]

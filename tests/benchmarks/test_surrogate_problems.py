"""Surrogates of recorded tables: what they learn, what follows from the configuration, and that they repeat."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search import Optuna
from benchmarks.search_problems import Recorded, study
from benchmarks.surrogate_problems import ALL, Surrogate, known
from benchmarks.surrogate_validation import PREDICTORS, Trials, Validation, folds, ranks_alike
from orchestrator.results.front import hypervolume
from orchestrator.search.configurations import Configurations
from orchestrator.search.initial_design import at_random
from trainables.errors import InvalidValue
from trainables.spec import Value

EPOCHS = 9


def drawn(table: Recorded, seed: int, count: int = 100) -> list[Mapping[str, Value]]:
    return at_random(Configurations(study(table, seed=seed)), "rigl", count)


def error(params: Mapping[str, Value], epoch: int) -> float:
    """Return a function of two hyper-parameters and the epoch."""
    sparsity, fraction = float(params["sparsity"]), float(params["fraction"])
    return 0.2 + 0.5 * (sparsity - 0.5) ** 2 + 0.3 * fraction + 0.5 / epoch


@pytest.fixture
def table(tmp_path: Path) -> Recorded:
    """A table of a hundred configurations whose errors are that function."""
    path = tmp_path / "rigl.json.gz"
    training = {"data": {"name": "digits"}, "model": {"name": "mlp"}}
    empty = Recorded(path, {"rigl": {"scope": "erk"}}, training, epochs=EPOCHS)
    trials = [
        {
            "paradigm": "rigl",
            "params": params,
            "curve": [[1 - float(params["sparsity"]), error(params, epoch)] for epoch in range(1, EPOCHS + 1)],
        }
        for params in drawn(empty, seed=0)
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump(trials, file)
    return empty


def test_a_known_function_is_foretold_where_it_was_not_recorded(table: Recorded) -> None:
    surrogate, others = Surrogate(table), drawn(table, seed=5, count=40)
    for epoch in (1, EPOCHS):
        found = np.array([surrogate.after("rigl", params, epoch)[1] for params in others])
        assert ranks_alike(found, np.array([error(params, epoch) for params in others])) > 0.9
        assert np.abs(found - [error(params, epoch) for params in others]).mean() < 0.02


def test_held_out_configurations_are_ranked_better_than_by_the_recorded_one_next_to_them(table: Recorded) -> None:
    trials = Trials.of(table)
    learnt, nearest = (Validation.of(trials, predictor, 4, 0).scores for predictor in PREDICTORS.values())
    assert np.mean([score.rho for score in learnt]) > max(0.9, *(score.rho for score in nearest))


def test_no_configuration_is_learnt_from_and_held_out() -> None:
    keys = np.repeat(np.arange(20), 3)
    held_out = []
    for learnt, held in folds(keys, 5, seed=0):
        assert not set(keys[learnt]) & set(keys[held])
        held_out += held.tolist()
    assert sorted(held_out) == list(range(len(keys)))


def test_the_same_seed_gives_the_same_surrogate(table: Recorded) -> None:
    def curves(seed: int) -> list[tuple[float, float]]:
        surrogate = Surrogate(table, seed)
        return [surrogate.after("rigl", params, EPOCHS) for params in drawn(table, seed=5, count=5)]

    assert curves(0) == curves(0) != curves(1)


def test_a_recorded_configuration_has_its_own_curve(table: Recorded) -> None:
    surrogate = Surrogate(table)
    for params in drawn(table, seed=0)[:5]:
        found = [surrogate.after("rigl", params, epoch)[1] for epoch in range(1, EPOCHS + 1)]
        assert found == pytest.approx([error(params, epoch) for epoch in range(1, EPOCHS + 1)])


def test_a_size_that_follows_from_the_configuration_is_that_one(table: Recorded) -> None:
    surrogate = Surrogate(table)
    for params in drawn(table, seed=5, count=5):
        known_ = table.computed("rigl", params)["macs"]
        assert known_.is_exact
        assert [surrogate.after("rigl", params, epoch)[0] for epoch in (1, EPOCHS)] == [known_.low] * 2


def test_every_trial_of_a_search_has_a_result_of_its_own(table: Recorded) -> None:
    from optuna.samplers import RandomSampler

    ended = Optuna(lambda seed: RandomSampler(seed=seed))(Surrogate(table), 30 * EPOCHS, seed=0)
    assert len({losses for _, losses in ended}) == len(ended) > 20


def test_other_random_configurations_come_close_to_the_best_front(table: Recorded) -> None:
    surrogate = Surrogate(table)
    ends = np.array([surrogate.after("rigl", params, EPOCHS) for params in drawn(table, seed=5, count=40)])
    assert 0.5 < hypervolume(ends, surrogate.reference) / surrogate.ideal < 1.02


def test_a_training_of_fewer_epochs_stays_as_it_was_at_its_end(table: Recorded) -> None:
    trials = json.loads(gzip.decompress(table.path.read_bytes()))
    trials[0]["curve"] = trials[0]["curve"][:-2]
    table.path.write_bytes(gzip.compress(json.dumps(trials).encode()))
    params = trials[0]["params"]
    assert table.after("rigl", params, EPOCHS) == table.after("rigl", params, EPOCHS - 2)


@pytest.mark.parametrize("name", ["surrogate:convex", "surrogate:no", "no"])
def test_a_problem_that_there_is_not_is_named_with_those_that_there_are(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"there is no such problem; choose among .*surrogate:digits"):
        known(name)


def test_surrogates_are_known_by_the_names_of_their_tables() -> None:
    assert known("surrogate:digits") in ALL
    assert known("digits") in ALL

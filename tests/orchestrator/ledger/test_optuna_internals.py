"""A contract with Optuna: each of its private names that is used here does what is asked of it."""

import warnings

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from orchestrator.ledger import optuna_internals

LINE = FloatDistribution(0, 1)
POINTS = st.integers(1, 4).flatmap(
    lambda objectives: st.lists(st.tuples(*[st.integers(0, 5)] * objectives), min_size=1, max_size=12)
)


def a_study() -> tuple[optuna.Study, InMemoryStorage]:
    storage = InMemoryStorage()
    storage.create_new_study([StudyDirection.MINIMIZE, StudyDirection.MINIMIZE], "s")
    return optuna.load_study(study_name="s", storage=storage), storage


def told(storage: InMemoryStorage, x: float, **more: object) -> int:
    template = optuna.trial.create_trial(
        values=[x, 1 - x],
        params={"x": x},
        distributions={"x": LINE},
        **more,  # type: ignore[arg-type]
    )
    return storage.create_new_trial(0, template)


def test_keys_are_those_of_the_storage() -> None:
    study, storage = a_study()
    key = told(storage, 0.5)
    assert optuna_internals.study_id(study) == storage.get_study_id_from_name("s")
    assert optuna_internals.study_id(storage.get_all_studies()[0]) == storage.get_study_id_from_name("s")
    assert optuna_internals.trial_id(storage.get_trial(key)) == key


@given(POINTS)
def test_ranks_are_those_of_peeling_off_one_front_after_another(points: list[tuple[int, ...]]) -> None:
    losses = np.array(points, dtype=float)
    left, expected, rank = set(range(len(losses))), np.zeros(len(losses)), 0
    while left:
        layer = {i for i in left if not any(_beats(losses[j], losses[i]) for j in left)}
        expected[list(layer)] = rank
        left, rank = left - layer, rank + 1
    assert optuna_internals.ranks(losses).tolist() == expected.tolist()


def _beats(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


def test_what_misses_a_constraint_ranks_after_all_that_does_not() -> None:
    assert optuna_internals.ranks([[0, 0], [9, 9], [5, 5]], [2, 0, 1]).tolist() == [2, 0, 1]


def test_a_hypervolume_is_the_area_that_is_dominated() -> None:
    assert optuna_internals.hypervolume([[0, 1], [1, 0]], [2, 2]) == pytest.approx(3)


def test_a_trial_of_the_first_generation_becomes_a_parent() -> None:
    study, storage = a_study()
    for x in (0.25, 0.75):
        told(storage, x, system_attrs=dict(optuna_internals.FIRST_GENERATION))
    sampler = NSGAIISampler(population_size=2, seed=0, mutation_prob=0.0, crossover_prob=0.0)
    trial = storage.get_trial(storage.create_new_trial(0))
    assert sampler.sample_relative(study, trial, {"x": LINE})["x"] in (0.25, 0.75)


@pytest.mark.parametrize("kind", [RandomSampler, TPESampler, NSGAIISampler, GPSampler])
def test_a_sampler_draws_again_what_its_seed_gives(kind: type[BaseSampler]) -> None:
    study, storage = a_study()
    sampler = kind(seed=1)  # type: ignore[call-arg]  # no argument of the base class
    trial = storage.get_trial(storage.create_new_trial(0))

    def draw() -> float:
        return float(sampler.sample_independent(study, trial, "x", LINE))

    optuna_internals.reseed(sampler, 7)
    first = [draw(), draw()]
    optuna_internals.reseed(sampler, 7)
    assert [draw(), draw()] == first
    optuna_internals.reseed(sampler, 8)
    assert draw() != first[0]


def test_a_sampler_sees_what_was_told_since() -> None:
    study, storage = a_study()
    sampler, trial = TPESampler(seed=0), storage.get_trial(storage.create_new_trial(0))
    sampler.sample_independent(study, trial, "x", LINE)
    cached = study._thread_local.cached_all_trials
    optuna_internals.forget_cached_trials(study)
    told(storage, 0.5)
    sampler.sample_independent(study, trial, "x", LINE)
    assert cached is not None
    assert len(study._thread_local.cached_all_trials or []) == len(cached) + 1


def test_a_told_trial_is_told_again() -> None:
    _, storage = a_study()
    key = told(storage, 0.5)
    optuna_internals.reopen(storage, key)
    storage.set_trial_state_values(key, TrialState.COMPLETE, [0.0, 0.0])
    assert storage.get_trial(key).values == [0.0, 0.0]


def test_constraints_are_read_off_the_attributes_that_are_made_of_them() -> None:
    _, storage = a_study()
    key = storage.create_new_trial(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for violation in (1.0, 2.0):
            for name, value in optuna_internals.constraints_as_attributes({"macs": violation}).items():
                storage.set_trial_system_attr(key, name, value)
    assert storage.get_trial(key).constraints == {"macs": 2.0}


def test_a_trial_whose_draws_are_dropped_keeps_all_else() -> None:
    lines: list[dict[str, object]] = []
    storage = optuna.storages.JournalStorage(_Lines(lines))
    storage.create_new_study([StudyDirection.MINIMIZE], "s")
    storage.create_new_trial(0, optuna.trial.create_trial(value=1, params={"x": 0.5}, distributions={"x": LINE}))
    for line in lines:
        optuna_internals.drop_draws(line)
    read = optuna.storages.JournalStorage(_Lines(lines)).get_all_trials(0)
    assert [(one.params, one.values) for one in read] == [({}, [1])]


class _Lines(optuna.storages.journal.BaseJournalBackend):
    def __init__(self, lines: list[dict[str, object]]) -> None:
        self._lines = lines

    def read_logs(self, log_number_from: int) -> list[dict[str, object]]:
        return self._lines[log_number_from:]

    def append_logs(self, logs: list[dict[str, object]]) -> None:
        self._lines += logs

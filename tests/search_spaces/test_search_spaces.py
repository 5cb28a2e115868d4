"""The spaces of all paradigms: drawn values make paradigms, conditions name what was asked before."""

from dataclasses import fields
from importlib import import_module
from importlib.metadata import EntryPoint

import optuna
import pytest

import search_spaces
from search_spaces.space import Space
from trainables import paradigms
from trainables.errors import InfeasibleTrial
from trainables.recipes.recipe import training_epochs
from trainables.spec import Value

every_space = pytest.mark.parametrize("name", paradigms.names())


def drawn(name: str, seed: int) -> dict[str, Value]:
    """Draw every dimension that applies, in order, as a sampler does."""
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    chosen: dict[str, Value] = {}
    for key, dimension in search_spaces.find(name).items():
        if dimension.applies(chosen):
            chosen[key] = trial._suggest(key, dimension.distribution)
    return chosen


@every_space
def test_every_draw_makes_a_paradigm_with_a_recipe(name: str) -> None:
    for seed in range(5):
        values = drawn(name, seed)
        try:
            recipe = paradigms.find(name).create(values).recipe(60)
        except InfeasibleTrial as refused:
            pytest.fail(f"{values}: {refused}")
        assert 0 < training_epochs(recipe) <= 60


@every_space
def test_conditions_name_dimensions_that_were_asked_before_and_values_that_they_can_have(name: str) -> None:
    space = search_spaces.find(name)
    names = list(space)
    paradigm = paradigms.find(name)
    for key, dimension in space.items():
        for other, values in dimension.when.items():
            assert names.index(other) < names.index(key)
            assert all(paradigm.hyperparameters()[other].accepts(value) for value in values)
        for other, values in dimension.unless.items():
            assert all(paradigm.hyperparameters()[other].accepts(value) for value in values)


@every_space
def test_every_dimension_applies_to_some_draw(name: str) -> None:
    seen = {key for seed in range(25) for key in drawn(name, seed)}
    assert seen == set(search_spaces.find(name))


@every_space
def test_what_applies_nowhere_is_left_at_its_default(name: str) -> None:
    paradigm = paradigms.find(name)
    defaults = {field.name: field.default for field in fields(paradigm)}
    for seed in range(4):
        values = drawn(name, seed)
        made = paradigm.create(values)
        assert {key: getattr(made, key) for key in defaults} == {**defaults, **values}


def test_every_paradigm_but_the_baseline_has_something_to_search() -> None:
    assert [name for name in paradigms.names() if not search_spaces.find(name)] == ["dense"]


@pytest.mark.parametrize("name", ["no_such_paradigm", "space", "__init__"])
def test_a_paradigm_without_a_space_has_an_empty_one(name: str) -> None:
    assert search_spaces.find(name) == Space()


def test_another_package_s_space_comes_before_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("snip", "search_spaces.grasp:SPACE", search_spaces.GROUP)

    def installed(*, group: str, name: str) -> list[EntryPoint]:
        return [entry] * ((group, name) == (search_spaces.GROUP, "snip"))

    monkeypatch.setattr(search_spaces, "entry_points", installed)
    search_spaces.find.cache_clear()
    try:
        assert search_spaces.find("snip") is import_module("search_spaces.grasp").SPACE
        assert search_spaces.find("grasp") is import_module("search_spaces.grasp").SPACE
    finally:
        search_spaces.find.cache_clear()

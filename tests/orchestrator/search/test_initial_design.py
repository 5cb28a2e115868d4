"""The first configurations: spread over the whole space, inside it, and the same again for the same seed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.search.configurations import Configurations
from orchestrator.search.initial_design import FIRST, at_random, spread, value_at
from tests.orchestrator.small import FIXED, study

SHARES = st.floats(0, 1, exclude_max=True)


@settings(max_examples=60)
@given(low=st.floats(1e-6, 1e3), span=st.floats(0, 1e3), share=SHARES, log=st.booleans())
def test_a_quantile_of_floats_lies_in_the_range(low: float, span: float, share: float, log: bool) -> None:
    distribution = FloatDistribution(low, low + span, log=log)
    value = value_at(distribution, share)
    assert isinstance(value, float)
    assert distribution._contains(value)


@settings(max_examples=60)
@given(low=st.integers(1, 1000), span=st.integers(0, 1000), share=SHARES, log=st.booleans())
def test_a_quantile_of_integers_is_one_of_them(low: int, span: int, share: float, log: bool) -> None:
    value = value_at(IntDistribution(low, low + span, log=log), share)
    assert type(value) is int
    assert low <= value <= low + span


def test_every_integer_and_every_choice_has_the_same_share() -> None:
    shares = [(index + 0.5) / 300 for index in range(300)]
    for distribution in (IntDistribution(4, 6), CategoricalDistribution(["a", "b", "c"])):
        values = [value_at(distribution, share) for share in shares]
        assert [values.count(value) for value in dict.fromkeys(values)] == [100] * 3


def test_the_middle_of_a_logarithmic_range_is_its_geometric_mean() -> None:
    value = value_at(FloatDistribution(0.01, 1.0, log=True), 0.5)
    assert isinstance(value, float)
    assert math.isclose(value, 0.1)
    assert value_at(FloatDistribution(0.0, 1.0), 0.5) == 0.5


def test_the_first_configurations_are_inside_distinct_and_the_same_again() -> None:
    spec = study(seed=3)
    drawn = list(spread(Configurations(spec)))
    assert len(drawn) == FIRST
    assert [paradigm for paradigm, _ in drawn] == ["magnitude"] * FIRST
    assert len({params["sparsity"] for _, params in drawn}) == FIRST
    assert all(Configurations(spec).contains("magnitude", params) for _, params in drawn)
    assert list(spread(Configurations(spec))) == drawn
    assert list(spread(Configurations(study(seed=4)))) != drawn


def test_random_configurations_are_those_that_the_paradigm_can_carry_out() -> None:
    tight = {"greg": {"pruning": {"low": 0.1, "high": 0.7}, "finetune": {"low": 0.1, "high": 0.7}}}
    spec = study(paradigms=tight, epochs=8)
    params = at_random(Configurations(spec), "greg", 40)
    assert 0 < len(params) < 40
    assert all(Configurations(spec).refusal("greg", chosen) is None for chosen in params)
    assert at_random(Configurations(spec), "greg", 40) == params
    assert at_random(Configurations(spec), "greg", 0) == []


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_settled_paradigm_has_its_one_configuration_however_many_are_asked_for(count: int) -> None:
    spec = study(paradigms={"magnitude": {**FIXED, "sparsity": 0.5}, "snip": {}})
    (params,) = at_random(Configurations(spec), "magnitude", count)
    assert params["sparsity"] == 0.5

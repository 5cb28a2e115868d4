"""The tree of configurations: ranges, conditions, fixed values, and draws that are known again."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna import create_study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from orchestrator.search.configurations import Configurations
from tests.orchestrator.small import FIXED, study
from trainables.spec import Value


@settings(max_examples=30, deadline=None)
@given(low=st.floats(0.05, 0.4), span=st.floats(0.01, 0.5), rounds=st.integers(2, 20))
def test_a_range_narrows_a_dimension_and_keeps_its_kind(low: float, span: float, rounds: int) -> None:
    narrowed = {
        "sparsity": {"low": low, "high": low + span},
        "finetune_lr": {"low": low, "high": low + span},
        "rounds": {"low": rounds, "high": rounds + 3},
    }
    found = Configurations(study(paradigms={"magnitude": narrowed}, epochs=100)).distributions
    assert found["magnitude.sparsity"] == FloatDistribution(low, low + span)
    assert found["magnitude.finetune_lr"] == FloatDistribution(low, low + span, log=True)
    assert found["magnitude.rounds"] == IntDistribution(rounds, rounds + 3)


def first(_: str, distribution: BaseDistribution) -> Any:
    """Suggest the first of all values."""
    return distribution.choices[0] if isinstance(distribution, CategoricalDistribution) else vars(distribution)["low"]


def test_a_condition_holds_for_fixed_and_for_drawn_values() -> None:
    fixed = Configurations(study(paradigms={"magnitude": {**FIXED, "schedule": "iterative"}}, epochs=12))
    drawn = fixed.draw(first)
    assert fixed.params(drawn).keys() == {*FIXED, "sparsity", "rounds"}
    joint = Configurations(study(paradigms={"magnitude": {}}, epochs=12))
    everything = joint.draw(first, joint=True)
    assert everything.keys() == joint.distributions.keys()
    assert {"rounds", "stream"}.isdisjoint(joint.params(everything))


def test_a_trial_records_a_fixed_value_only_if_it_was_applied() -> None:
    narrowed = {"granularity": ["2:4", "filter"], "sparsity": 0.9, "rounds": 3, "schedule": ["one_shot", "iterative"]}
    space = Configurations(study(paradigms={"magnitude": narrowed}, epochs=12))
    chosen = {"paradigm": "magnitude", "magnitude.granularity": "2:4", "magnitude.schedule": "one_shot"}
    pattern = space.params({**space.draw(first), **chosen})
    whole_filters: dict[str, Value] = {
        "magnitude.granularity": "filter",
        "magnitude.scope": "layer",
        "magnitude.stream": False,
    }
    filters = space.params({**space.draw(first), **chosen, **whole_filters})
    assert {"sparsity", "rounds"}.isdisjoint(pattern)
    assert filters["sparsity"] == 0.9
    assert space.contains("magnitude", {**pattern, "sparsity": 0.9, "rounds": 3}), (
        "as studies recorded it that are older"
    )


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), joint=st.booleans())
def test_a_draw_is_known_again_by_its_hyper_parameters(seed: int, joint: bool) -> None:
    space = Configurations(study(paradigms={"magnitude": {}, "lottery_ticket": {}}, epochs=12))
    random = create_study(sampler=RandomSampler(seed=seed))

    def suggest(name: str, distribution: BaseDistribution) -> Value:
        drawn: Value = random.ask({name: distribution}).params[name]
        return drawn

    drawn = space.draw(suggest, joint=joint)
    known = space.drawn_as(str(drawn["paradigm"]), space.params(drawn))
    assert known.items() <= drawn.items()
    assert space.params({**drawn, **known}) == space.params(drawn)
    assert known == drawn or joint


def test_what_lies_outside_a_narrower_range_is_left_out() -> None:
    space = Configurations(study(paradigms={"magnitude": {"sparsity": {"low": 0.5, "high": 0.9}}}))
    assert "magnitude.sparsity" not in space.drawn_as("magnitude", {"sparsity": 0.3})
    assert space.drawn_as("magnitude", {"sparsity": 0.6, "granularity": "no such"}) == {
        "paradigm": "magnitude",
        "magnitude.sparsity": 0.6,
    }


def test_a_paradigm_of_which_all_is_fixed_is_settled_unless_training_is_searched() -> None:
    paradigms = {"dense": {}, "magnitude": {**FIXED, "sparsity": 0.5}}
    space = Configurations(study(paradigms=paradigms))
    assert (space.searched, space.settled, space.distributions) == ((), ("dense", "magnitude"), {})
    trained = Configurations(study(paradigms=paradigms, search={"training": {"lr": [0.1, 0.2]}}))
    assert (trained.searched, trained.settled) == (("dense", "magnitude"), ())
    assert trained.distributions.keys() == {"paradigm", "training.lr"}


@pytest.mark.parametrize(
    ("paradigms", "numeric"),
    [
        ({"magnitude": FIXED}, True),
        ({"magnitude": {**FIXED, "schedule": ["one_shot", "gradual"]}}, False),
        ({"magnitude": {**FIXED, "schedule": ["one_shot"]}}, True),
        ({"magnitude": FIXED, "snip": {}}, False),
        ({"magnitude": FIXED, "dense": {}}, True),
    ],
)
def test_only_a_single_paradigm_searched_over_numbers_is_numeric(paradigms: dict[str, Any], numeric: bool) -> None:
    assert Configurations(study(paradigms=paradigms, epochs=12)).are_numeric == numeric


@pytest.mark.parametrize(
    ("params", "inside"),
    [
        ({**FIXED, "sparsity": 0.5}, True),
        ({**FIXED, "sparsity": 2.0}, False),
        ({**FIXED, "sparsity": "0.5"}, False),
        ({**FIXED, "sparsity": True}, False),
        ({**FIXED, "finetune": 0.1, "sparsity": 0.5}, False),
        ({**FIXED, "sparsity": 0.5, "unknown": 1}, False),
        ({}, True),
    ],
)
def test_a_configuration_is_contained_if_all_its_values_may_be_drawn_or_are_fixed(
    params: dict[str, Value], inside: bool
) -> None:
    space = Configurations(study())
    assert space.contains("magnitude", params) == inside
    assert not space.contains("snip", params)


def test_what_a_paradigm_refuses_is_a_reason_and_no_error() -> None:
    space, fixed = Configurations(study()), dict[str, Any](FIXED)
    assert space.refusal("magnitude", {**fixed, "sparsity": 0.5}) is None
    assert "sparsity = 7" in str(space.refusal("magnitude", {**fixed, "sparsity": 7}))
    assert "unknown key" in str(space.refusal("magnitude", {"spasity": 0.5}))


TWO_NETWORKS: list[Any] = ["digits_cnn", {"name": "resnet56", "options": {"width": 0.5}}, "resnet20"]


def over_networks() -> Configurations:
    searched = {"options": {"width": {"low": 0.25, "high": 1.0}}}
    return Configurations(study(model=TWO_NETWORKS, paradigms={"dense": {}, "magnitude": FIXED}, search=searched))


def test_networks_are_searched_for_all_paradigms_and_an_option_where_it_is_taken() -> None:
    space = over_networks()
    labels = ("digits_cnn", "resnet56(width=0.5)", "resnet20")
    assert space.distributions["model"] == CategoricalDistribution(labels)
    assert space.distributions["model.width"] == FloatDistribution(0.25, 1.0)
    assert space.searched == ("dense", "magnitude")
    assert [space.takes(label, "width") for label in labels] == [False, False, True]


def first_of_network(label: str, name: str, distribution: BaseDistribution) -> Any:
    return label if name == "model" else first(name, distribution)


@pytest.mark.parametrize("joint", [False, True])
def test_a_trial_has_the_options_that_its_network_takes(*, joint: bool) -> None:
    space = over_networks()
    for chosen in ("digits_cnn", "resnet56(width=0.5)", "resnet20"):
        drawn = space.draw(partial(first_of_network, chosen), joint=joint)
        params = space.params(drawn)
        assert params["model"] == chosen
        assert ("model.width" in params) == (chosen == "resnet20")
        paradigm = str(drawn["paradigm"])
        assert space.contains(paradigm, params)
        assert space.params(space.drawn_as(paradigm, params)) == params
        network = space.spec.trial(paradigm, params, 0).model
        assert network.options == {"digits_cnn": {}, "resnet20": {"width": 0.25}}.get(chosen, {"width": 0.5})

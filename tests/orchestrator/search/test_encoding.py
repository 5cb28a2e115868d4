"""Draws as rows of numbers."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.search.encoding import ABSENT, Encoding
from trainables.spec import Value


def test_numbers_lie_on_their_scale_choices_have_columns_and_what_is_absent_is_told_from_all() -> None:
    encoding = Encoding(
        {
            "paradigm": CategoricalDistribution(("rigl",)),
            "rigl.share": FloatDistribution(0.0, 4.0),
            "training.lr": FloatDistribution(0.01, 1.0, log=True),
            "rigl.rounds": IntDistribution(2, 6),
            "rigl.scope": CategoricalDistribution(("global", "layer", "erk")),
            "rigl.fixed": FloatDistribution(0.5, 0.5),
        }
    )
    drawn: dict[str, Value] = {
        "paradigm": "rigl",
        "rigl.share": 1.0,
        "training.lr": 0.1,
        "rigl.rounds": 6,
        "rigl.scope": "layer",
    }
    assert encoding.row(drawn).tolist() == [0.25, 0.5, 1, 1, 0, 1, 0]
    assert encoding.row({"rigl.share": 4.0, "rigl.fixed": 0.5}).tolist() == [1, ABSENT, ABSENT, 0, 0, 0, 0]


def test_what_has_the_same_name_in_two_paradigms_shares_a_column_that_spans_both_ranges() -> None:
    encoding = Encoding(
        {
            "paradigm": CategoricalDistribution(("set", "snip")),
            "set.sparsity": FloatDistribution(0.5, 0.9),
            "snip.sparsity": FloatDistribution(0.4, 0.8),
            "snip.scope": CategoricalDistribution(("erk", "layer")),
            "set.scope": CategoricalDistribution(("layer", "er")),
        }
    )
    drawn: dict[str, Value] = {"paradigm": "set", "set.sparsity": 0.9, "set.scope": "layer"}
    assert encoding.row(drawn).tolist() == [1, 1, 0, 0, 1, 0]
    assert encoding.row({"paradigm": "snip", "snip.sparsity": 0.4, "snip.scope": "layer"}).tolist() == [
        0,
        0,
        1,
        0,
        1,
        0,
    ]


def test_numbers_of_the_same_name_whose_ranges_are_of_different_sizes_have_columns_of_their_own() -> None:
    encoding = Encoding(
        {
            "paradigm": CategoricalDistribution(("complexity_aware", "dst")),
            "complexity_aware.alpha": FloatDistribution(0.0, 1.0),
            "dst.alpha": FloatDistribution(1e-6, 1e-2, log=True),
        }
    )
    assert encoding.row({"paradigm": "dst", "dst.alpha": 1e-4}).tolist() == [ABSENT, pytest.approx(0.5), 0, 1]
    assert encoding.row({"complexity_aware.alpha": 0.5}).tolist() == [0.5, ABSENT, 0, 0]
    assert [places.tolist() for places in vars(encoding.columns).values()] == [[0, 1], [], [2, 3]]

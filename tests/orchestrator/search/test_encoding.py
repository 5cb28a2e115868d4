"""Draws as rows of numbers."""

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.search.encoding import ABSENT, Encoding


def test_numbers_lie_on_their_scale_choices_have_columns_and_what_is_absent_is_told_from_all() -> None:
    encoding = Encoding(
        {
            "share": FloatDistribution(0.0, 4.0),
            "lr": FloatDistribution(0.01, 1.0, log=True),
            "rounds": IntDistribution(2, 6),
            "scope": CategoricalDistribution(("global", "layer", "erk")),
            "fixed": CategoricalDistribution((0.0,)),
        }
    )
    assert encoding.width == 6
    assert encoding.row({"share": 1.0, "lr": 0.1, "rounds": 6, "scope": "layer"}).tolist() == [0.25, 0.5, 1, 0, 1, 0]
    assert encoding.row({"share": 4.0}).tolist() == [1, ABSENT, ABSENT, 0, 0, 0]

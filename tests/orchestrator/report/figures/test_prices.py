"""What prices lead to."""

from dataclasses import replace

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.chart import Points
from orchestrator.report.figures import price_figure
from tests.orchestrator.example import OBJECTIVES, told_trial


def priced(number: int, **prices: float) -> TrialRecord:
    return replace(told_trial(1), trial=number, paradigm="complexity_aware", params={"lr": 0.1 * number, **prices})


def test_each_pair_of_searched_prices_has_a_chart_for_each_objective() -> None:
    records = [priced(n, nu=0.1 * n, beta=0.5 * n, alpha=1.0) for n in (1, 2, 3)]
    assert [(chart.title, chart.x.label, chart.y.label) for chart in price_figure(records, OBJECTIVES).charts] == [
        ("validation accuracy", "nu", "beta"),
        ("effective MACs", "nu", "beta"),
    ]


def test_the_better_a_trial_the_darker_it_is() -> None:
    better, worse = (
        replace(priced(n, nu=0.1 * n, beta=0.5 * n), metrics={"accuracy": accuracy, "macs": 1.0})
        for n, accuracy in ((1, 0.9), (2, 0.8))
    )
    layer = price_figure([better, worse], OBJECTIVES).charts[0].layers[0]
    assert isinstance(layer, Points)
    assert layer.colors == ("#440154", "#D8E219")


def test_other_studies_have_no_such_figure() -> None:
    assert price_figure([told_trial(1), told_trial(2)], OBJECTIVES).is_empty
    assert price_figure([priced(1, nu=0.1), priced(2, nu=0.2)], OBJECTIVES).is_empty

"""What prices lead to."""

from dataclasses import replace

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.chart import Points
from orchestrator.report.figures import price_figure
from tests.orchestrator.example import OBJECTIVES, told_trial
from tests.orchestrator.report.figures.drawn_layers import points_of


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


def test_what_is_minimised_is_darkest_where_it_is_least() -> None:
    records = [
        replace(priced(n, nu=0.1 * n, beta=0.5 * n), metrics={"accuracy": 0.5, "macs": macs})
        for n, macs in ((1, 3.0), (2, 1.0), (3, 2.0))
    ]
    accuracy, macs = (chart.layers[0] for chart in price_figure(records, OBJECTIVES).charts)
    assert isinstance(accuracy, Points)
    assert isinstance(macs, Points)
    assert macs.colors == ("#D8E219", "#440154", "#21918C")
    assert len(set(accuracy.colors)) == 1
    assert macs.xs == (0.1, 0.2, 0.1 * 3)
    assert macs.ys == (0.5, 1.0, 1.5)


def test_three_searched_prices_make_three_pairs_whose_trials_have_both() -> None:
    records = [priced(n, nu=0.1 * n, beta=0.5 * n, alpha=0.25 * n) for n in (1, 2)]
    charts = price_figure([*records, priced(3, nu=0.9)], {"macs": "minimize"}).charts
    assert [(chart.x.label, chart.y.label) for chart in charts] == [("nu", "beta"), ("nu", "alpha"), ("beta", "alpha")]
    assert all(layer.trials == (1, 2) for chart in charts for layer in chart.layers[:1] if isinstance(layer, Points))


def test_members_of_the_front_have_a_ring_where_their_point_is() -> None:
    better, worse = (
        replace(priced(n, nu=0.1 * n, beta=0.5 * n), metrics={"accuracy": accuracy, "macs": 1.0})
        for n, accuracy in ((1, 0.9), (2, 0.8))
    )
    for chart in price_figure([better, worse], OBJECTIVES).charts:
        ring = points_of(chart, "on the front")
        assert (ring.trials, ring.xs, ring.ys) == ((1,), (0.1,), (0.5,))


def test_a_trial_that_may_not_be_on_the_front_has_no_point() -> None:
    records = [priced(n, nu=0.1 * n, beta=0.5 * n) for n in (1, 2, 3)]
    refused = [*records[:2], replace(records[2], feasible=False)]
    layer = price_figure(refused, OBJECTIVES).charts[0].layers[0]
    assert isinstance(layer, Points)
    assert layer.trials == (1, 2)

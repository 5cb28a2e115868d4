"""Which hyper-parameters matter, as bars."""

from orchestrator.report.chart import Bars
from orchestrator.report.figures import importance_figure
from orchestrator.report.figures.importance import MOST
from orchestrator.results.palette import Look


def test_the_largest_share_stands_on_top_and_only_so_many_are_shown() -> None:
    shares = {f"p{number:02}": number / 100 for number in range(MOST + 3)}
    (chart,) = importance_figure("magnitude", {"accuracy": shares}, Look("#0072B2", "o")).charts
    (bars,) = chart.layers
    assert isinstance(bars, Bars)
    assert len(bars.ends) == MOST
    assert list(bars.ends) == sorted(bars.ends)
    assert chart.y.ticks[-1][1] == f"p{MOST + 2:02}"


def test_equal_shares_stand_in_the_order_of_their_names() -> None:
    (chart,) = importance_figure("magnitude", {"macs": {"b": 0.5, "a": 0.5}}, Look("#0072B2", "o")).charts
    assert [name for _, name in chart.y.ticks] == ["b", "a"]  # from below


def test_each_objective_has_a_chart_whose_bars_begin_at_zero() -> None:
    shares = {"accuracy": {"lr": 0.75, "scope": 0.25}, "macs": {"scope": 1.0, "lr": 0.0}}
    figure = importance_figure("magnitude", shares, Look("#0072B2", "o"))
    assert figure.name == "importance-magnitude"
    assert [chart.title for chart in figure.charts] == ["validation accuracy", "effective MACs"]
    for chart in figure.charts:
        (bars,) = chart.layers
        assert isinstance(bars, Bars)
        assert (set(bars.begins), bars.color) == ({0.0}, "#0072B2")
        assert chart.x.ends[0] == 0.0
        assert dict(zip([name for _, name in chart.y.ticks], bars.ends, strict=True)) in shares.values()

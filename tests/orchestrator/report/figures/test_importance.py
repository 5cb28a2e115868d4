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

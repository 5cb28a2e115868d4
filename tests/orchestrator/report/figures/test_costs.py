"""What paradigms took."""

from orchestrator.report.chart import Bars
from orchestrator.report.figures import cost_figure
from tests.orchestrator.example import told_trials
from tests.orchestrator.terminal.printing import SPEC


def test_every_trial_and_every_second_is_in_one_bar() -> None:
    records = told_trials(12)
    trials, hours = cost_figure(SPEC, records).charts
    for chart, total in ((trials, 12.0), (hours, sum(record.seconds for record in records) / 3600)):
        bars = [layer for layer in chart.layers if isinstance(layer, Bars)]
        lengths = (end - begin for bar in bars for begin, end in zip(bar.begins, bar.ends, strict=True))
        assert abs(sum(lengths) - total) < 1e-9
        assert [bar.name for bar in bars] == ["complete", "stopped early", "failed"]
    assert [text for _, text in trials.y.ticks] == ["magnitude", "lottery_ticket", "dense"]

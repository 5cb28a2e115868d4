"""The wall time of a study: counted on from driver to driver."""

from orchestrator.budget import WallTime


def test_time_is_counted_on_and_downtime_is_not() -> None:
    now = 100.0
    first = WallTime(1.0, clock=lambda: now)
    now = 1000.0
    assert first.spent == 900
    now = 50_000.0
    second = WallTime(1.0, spent=first.spent - 49_000, clock=lambda: now)
    assert second.spent == 900
    assert not second.is_exhausted
    now += 2700
    assert second.is_exhausted


def test_without_a_limit_time_never_runs_out() -> None:
    assert not WallTime(spent=1e12).is_exhausted

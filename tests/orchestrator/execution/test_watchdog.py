"""Which trials have not reported for too long."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.execution.watchdog import LONGEST_LOOK, Watchdog
from tests.orchestrator.clock import Clock


def test_a_silent_trial_is_overdue_but_not_for_time_in_which_the_driver_was_away() -> None:
    clock = Clock()
    watchdog = Watchdog(60, clock=clock)
    watchdog.hear("silent")
    watchdog.hear("done")
    watchdog.forget("done")
    for _ in range(15):
        clock.now += 4
        watchdog.hear("talking")
        assert watchdog.overdue() == []
    clock.now += 3600
    assert watchdog.overdue() == []
    for _ in range(15):
        clock.now += 4
        watchdog.hear("talking")
        assert watchdog.overdue() == []
    clock.now += 1
    assert watchdog.overdue() == ["silent"]


@given(st.lists(st.integers(0, int(4 * LONGEST_LOOK)), max_size=30), st.integers(4, 80))
def test_a_trial_is_overdue_exactly_when_it_was_silent_for_longer_than_the_patience(
    looks: list[int], patience: int
) -> None:
    """In quarters of a second, whose sums are exact."""
    clock = Clock()
    watchdog = Watchdog(patience / 4, clock=clock)
    watchdog.hear("trial")
    for wait in looks:
        clock.now += wait / 4
        assert (watchdog.overdue() == ["trial"]) == (clock.now > patience / 4)


def test_without_patience_no_trial_is_ever_overdue() -> None:
    clock = Clock()
    watchdog = Watchdog(None, clock=clock)
    watchdog.hear("trial")
    clock.now += 1e9
    assert watchdog.overdue() == []


def test_a_trial_that_is_heard_again_is_waited_for_again() -> None:
    clock = Clock()
    watchdog = Watchdog(4, clock=clock)
    watchdog.hear("trial")
    clock.now += 4.5
    assert watchdog.overdue() == ["trial"]
    watchdog.hear("trial")
    assert watchdog.overdue() == []


def test_forgetting_an_unknown_trial_does_nothing() -> None:
    watchdog = Watchdog(1)
    watchdog.forget("nobody")
    assert watchdog.overdue() == []

"""Which running trials are shown, and how often."""

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.tracking.running_trials import SHOWINGS_PER_SECOND, RunningTrials
from tests.orchestrator.example import told_trial


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def running(trial: int, epochs: int = 1) -> TrialRecord:
    return replace(told_trial(3), trial=trial, state=State.RUNNING, curve=told_trial(3).curve[:epochs])


def shown(trials: RunningTrials) -> Iterator[tuple[int, int]]:
    return ((step.record.trial, len(step.record.curve)) for step in trials.due())


def test_a_trial_is_shown_with_its_newest_epochs_once_it_has_run_for_a_while_and_after_each_pause() -> None:
    clock = Clock()
    trials = RunningTrials(10.0, clock)
    for clock.now, epochs, due in ((0.0, 0, []), (9.0, 1, []), (10.0, 2, [(5, 2)]), (11.0, 3, []), (20.0, 4, [(5, 4)])):
        trials.note(running(5, epochs))
        assert list(shown(trials)) == due


def test_what_has_not_changed_is_not_shown_again() -> None:
    trials = RunningTrials(0.0)
    trials.note(running(5))
    assert list(shown(trials)) == [(5, 1)]
    assert list(shown(trials)) == []


def test_a_trial_that_has_finished_is_not_shown() -> None:
    trials = RunningTrials(0.0)
    trials.note(running(5))
    trials.forget(5)
    assert list(shown(trials)) == []


def test_after_the_end_no_trial_is_shown_whenever_it_was_noted() -> None:
    trials = RunningTrials(0.0)
    trials.note(running(5))
    trials.end()
    trials.note(running(6))
    assert list(shown(trials)) == []


def test_many_trials_are_shown_more_rarely() -> None:
    clock, many = Clock(), 100
    trials = RunningTrials(10.0, clock)
    steps = 0
    for second in range(300):
        clock.now = float(second)
        for number in range(many):
            trials.note(running(number))
        steps += len(list(trials.due()))
    assert 0 < steps <= 300 * SHOWINGS_PER_SECOND + many

"""Interrupted trials are handed out again in their order, at once or after pauses."""

from orchestrator.ledger.ledger import Unfinished
from orchestrator.ledger.trial import Configuration
from orchestrator.sweep.interrupted import LONGEST_PAUSE, SHORTEST_PAUSE, Interrupted
from tests.orchestrator.clock import Clock


def trial(number: int) -> Unfinished:
    return Unfinished(number, Configuration("dense", {}, seed=0))


def test_trials_of_an_earlier_driver_are_taken_at_once_and_each_once() -> None:
    interrupted = Interrupted([trial(3), trial(1)], Clock())
    assert [interrupted.take() for _ in range(3)] == [trial(3), trial(1), None]


def test_one_that_has_to_wait_lets_others_pass_and_keeps_its_turn() -> None:
    clock = Clock()
    interrupted = Interrupted([], clock)
    interrupted.add(trial(0), pause=2.0)
    interrupted.add(trial(1))
    interrupted.add(trial(2), pause=1.0)
    assert interrupted.take() == trial(1)
    clock.now = 1.9
    assert interrupted.take() == trial(2)
    assert interrupted.take() is None
    assert len(interrupted) == 1
    clock.now = 2.0
    assert interrupted.take() == trial(0)
    assert len(interrupted) == 0


def test_pauses_double_with_each_loss_up_to_the_longest_and_begin_anew_after_progress_or_the_end() -> None:
    interrupted = Interrupted([], Clock())
    pauses = [interrupted.set_back(0, 1.0).pause for _ in range(7)]
    assert pauses == [min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**losses) for losses in range(7)]
    assert pauses[-1] == LONGEST_PAUSE > pauses[-3]
    assert interrupted.set_back(1, 1.0).in_a_row == 1
    assert interrupted.set_back(0, 1.5).in_a_row == 1
    assert interrupted.set_back(0, 1.2).in_a_row == 2
    interrupted.forget(0)
    assert interrupted.set_back(0, 0.0).in_a_row == 1

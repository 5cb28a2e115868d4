"""The steps that wait for MLflow: their order, what replaces what, and what is confirmed."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import TrialRecord
from orchestrator.tracking.backlog import BATCH, Backlog
from orchestrator.tracking.steps import ORDER, Answer, Begin, End, KeepOnly, Show, ShowFront, Step, Tell
from tests.orchestrator.example import told_trial

SAMPLE = told_trial(0)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def trial(number: int, seconds: float = 1.0) -> TrialRecord:
    return replace(SAMPLE, trial=number, seconds=seconds)


def filled(*steps: Step) -> Backlog:
    backlog = Backlog()
    for step in steps:
        backlog.add(step)
    return backlog


STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Begin),
    st.builds(lambda number, seconds: Tell(trial(number, seconds)), st.integers(0, 5), st.floats(0, 9)),
    st.builds(KeepOnly, st.frozensets(st.integers(0, 5))),
    st.just(ShowFront(())),
    st.builds(End, st.sampled_from(["FINISHED", "KILLED"])),
)


@given(st.lists(STEPS, max_size=12))
def test_steps_are_taken_by_kind_and_trials_in_the_order_in_which_they_came(steps: list[Step]) -> None:
    batch = filled(*steps).first()
    kinds = [ORDER.index(type(step)) for step in batch]
    assert kinds == sorted(kinds)
    told = [step.record.trial for step in steps if isinstance(step, Tell)]
    assert [step.record.trial for step in batch if isinstance(step, Tell)] == list(dict.fromkeys(told))


@given(st.lists(STEPS, max_size=12))
def test_the_last_step_on_a_subject_is_the_one_that_waits(steps: list[Step]) -> None:
    backlog = filled(*steps)
    last = {step.record.trial if isinstance(step, Tell) else type(step): step for step in steps}
    assert len(backlog) == len(last)
    for step in backlog.first():
        if not isinstance(step, KeepOnly):
            assert last[step.record.trial if isinstance(step, Tell) else type(step)] is step


@given(st.lists(STEPS, max_size=12), st.data())
def test_nothing_is_lost_and_nothing_is_taken_twice_however_a_server_stumbles(
    steps: list[Step], data: st.DataObject
) -> None:
    backlog, taken = filled(*steps), list[Step]()
    for _ in range(100):
        batch = backlog.first()
        if not batch:
            break
        done = data.draw(st.integers(0, len(batch)))
        backlog.settle(batch, Answer(done=done, trouble=None if done == len(batch) else "away"))
        taken += batch[:done]
    else:
        backlog.settle(backlog.first(), Answer(done=BATCH))
        return
    assert len(backlog) == 0
    assert len(taken) == len({step.record.trial if isinstance(step, Tell) else type(step) for step in steps})


def test_a_running_trial_that_could_not_be_shown_before_the_end_is_not_shown_after_it() -> None:
    backlog = filled(Show(trial(0), NOON), ShowFront(()))
    backlog.settle(backlog.first(), Answer(trouble="away"))
    backlog.add(End("KILLED"))
    assert backlog.first() == [ShowFront(()), End("KILLED")]


def test_a_step_that_was_replaced_while_it_was_written_stays() -> None:
    backlog = filled(Tell(trial(0)), Tell(trial(1)))
    batch = backlog.first()
    newer = Tell(trial(0, seconds=2.0))
    backlog.add(newer)
    backlog.settle(batch, Answer(done=2))
    assert backlog.first() == [newer]


def test_a_step_that_failed_lets_all_others_go_first() -> None:
    backlog = filled(*(Tell(trial(number)) for number in range(3)), End("FINISHED"))
    backlog.settle(backlog.first(), Answer(done=0, trouble="refused"))
    assert [step.record.trial if isinstance(step, Tell) else step for step in backlog.first()] == [
        1,
        2,
        End("FINISHED"),
        0,
    ]


def test_of_several_failed_steps_the_one_that_failed_least_goes_first() -> None:
    zero, one = Tell(trial(0)), Tell(trial(1))
    backlog = filled(zero, one)
    backlog.settle([zero], Answer(trouble="refused"))
    backlog.settle([zero], Answer(trouble="refused"))
    backlog.settle([one], Answer(trouble="refused"))
    assert backlog.first() == [one, zero]


def test_a_batch_that_was_merely_cut_short_has_not_failed() -> None:
    backlog = filled(*(Tell(trial(number)) for number in range(3)))
    batch = backlog.first()
    backlog.settle(batch, Answer(done=1))
    assert backlog.first() == batch[1:]


def test_a_rebuild_spares_the_trials_that_finished_after_it_was_requested() -> None:
    backlog = filled(Tell(trial(7)), KeepOnly(frozenset({1, 2})), Tell(trial(3)))
    assert KeepOnly(frozenset({1, 2, 3})) in backlog.first()
    backlog.settle(backlog.first()[:2], Answer(done=2))
    assert backlog.first() == [KeepOnly(frozenset({1, 2, 3}))]


def test_of_a_trial_that_has_finished_only_its_end_waits() -> None:
    backlog = filled(Show(trial(1), NOON), Show(trial(2), NOON), Tell(trial(1)))
    assert backlog.first() == [Tell(trial(1)), Show(trial(2), NOON)]


def test_a_batch_is_limited() -> None:
    backlog = filled(*(Tell(trial(number)) for number in range(BATCH + 10)), ShowFront(()))
    batch = backlog.first()
    assert len(batch) == BATCH
    assert all(isinstance(step, Tell) for step in batch)
    backlog.settle(batch, Answer(done=0, trouble="away"))
    assert len(backlog.first()) == BATCH
    assert (len(backlog), backlog.trials) == (BATCH + 11, BATCH + 10)


def test_what_waits_beside_trials_has_names() -> None:
    backlog = filled(End("KILLED"), Tell(trial(0)), ShowFront(()), KeepOnly(frozenset()), Begin())
    assert backlog.other_things == [
        "the study's own run",
        "the deletion of outdated runs",
        "the front",
        "the study's end",
    ]
    assert filled(Tell(trial(0))).other_things == []

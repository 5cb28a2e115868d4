"""A sweep hands out trials and records what becomes of them, whatever runs them."""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State
from orchestrator.results.front import TOLD
from orchestrator.search.expected_costs import GivenCosts
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.interrupted import LONGEST_PAUSE, SHORTEST_PAUSE
from orchestrator.sweep.kept_checkpoints import CHECKPOINTS_KEPT
from orchestrator.sweep.sweep import SECONDS_BETWEEN_NOTES, WHOLE, Assignment, Sweep
from orchestrator.sweep.verdict import CONTINUE, Decision, Verdict
from tests.orchestrator.clock import Clock
from tests.orchestrator.small import Silence, epoch, ledger_of, run_to_end, study
from trainables.bounds import Bounds

LOST = Breakdown(Failure.LOST, "the process died")
STOP = Verdict(Decision.STOP, "hopeless")


def started(sweep: Sweep) -> Assignment:
    """Let the next trial start."""
    trial = sweep.next()
    assert trial is not None
    sweep.begin(trial.number)
    return trial


def save(ledger: Ledger, sweep: Sweep, number: int, epochs: Iterable[int], **changes: object) -> list[CheckpointRef]:
    """Let a trial report epochs, each with a real checkpoint; `changes` are what it reports otherwise."""
    made = [CheckpointRef(f"{number:05d}-1", f"checkpoint_{epoch:06d}") for epoch in epochs]
    trial = Assignment(number, next(one.configuration for one in ledger.unfinished() if one.number == number))
    ledger.folder.trials.mkdir(parents=True, exist_ok=True)
    for checkpoint, at in zip(made, epochs, strict=True):
        sweep.report(number, epoch(sweep, trial, at, **changes))
        trial_files(ledger.folder).keep(checkpoint, lambda folder: _write(folder), ledger.owner(number))
        sweep.save(number, checkpoint)
    return made


def _write(folder: Path) -> None:
    (folder / "state").write_text("trained")


def present(ledger: Ledger) -> list[str]:
    """Return the names of the checkpoints that lie on the disk."""
    return sorted(path.name for path in ledger.folder.trials.glob("*/checkpoint_*"))


def test_a_lost_trial_is_handed_out_again_after_pauses_that_grow_and_others_need_not_wait(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=2, failures={"retries": 8}), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        first = sweep.next()
        assert first is not None
        pauses = []
        for _ in range(8):
            sweep.begin(first.number)
            sweep.fail(first.number, LOST)
            assert not sweep.is_over
            lost_at = clock.now
            while (again := sweep.next()) is None or again.number != first.number:
                clock.now += 0.5
            pauses.append(clock.now - lost_at)
        assert (pauses[0], pauses[-1]) == (SHORTEST_PAUSE, LONGEST_PAUSE)
        assert pauses == sorted(pauses)
        sweep.begin(first.number)
        sweep.fail(first.number, LOST)
        record = ledger.record(first.number)
        assert (record.state, record.failure, record.attempts_lost) == (State.FAIL, Failure.LOST, 9)
        assert {0, 1} - sweep.live == {first.number}


def lose_after(sweep: Sweep, number: int) -> None:
    """Hand out a trial and lose its worker after it has reported an epoch."""
    trial = sweep.next()
    assert trial is not None
    sweep.begin(trial.number)
    sweep.report(trial.number, epoch(sweep, trial, number))
    sweep.fail(trial.number, LOST)


def test_a_trial_that_gets_further_each_time_is_never_given_up(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=1, epochs=6, failures={"retries": 2}), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        for number in range(1, 6):
            lose_after(sweep, number)
            clock.now += LONGEST_PAUSE
        assert ledger.record(0).state is State.RUNNING
        for number in (1, 2):  # from the beginning again, and not as far
            lose_after(sweep, number)
            clock.now += LONGEST_PAUSE
        assert ledger.record(0).state is State.FAIL


@pytest.mark.parametrize("failure", [one for one in Failure if not one.may_be_mended])
def test_what_another_attempt_cannot_mend_is_told_at_once(tmp_path: Path, failure: Failure) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        sweep.fail(trial.number, Breakdown(failure, "why"))
        record = ledger.record(0)
        assert (record.state, record.failure, record.attempts_failed) == (State.FAIL, failure, 1)
        assert record.reason == ("why" if failure is Failure.ERROR else f"{failure}: why")
        assert sweep.is_over


def test_as_many_trials_are_handed_out_as_the_study_asks_for(tmp_path: Path) -> None:
    with ledger_of(study(trials=3), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        assert (sweep.waiting, sweep.is_over) == (3, False)
        handed = [started(sweep).number for _ in range(3)]
        assert handed == [0, 1, 2]
        assert sweep.live == {0, 1, 2}
        assert sweep.next() is None
        assert (sweep.waiting, sweep.is_over) == (0, True)


def test_what_an_earlier_driver_left_is_handed_out_first_and_counts_as_no_new_trial(tmp_path: Path) -> None:
    with ledger_of(study(trials=3), tmp_path) as ledger:
        first = Sweep(ledger, Silence())
        run_to_end(first, started(first))
        interrupted = started(first)
    with ledger_of(study(trials=3), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        assert sweep.waiting == 2
        again, new = started(sweep), started(sweep)
        assert (again.number, again.configuration) == (1, interrupted.configuration)
        assert new.number == 2
        assert sweep.next() is None


def test_a_trial_taken_back_is_handed_out_again_with_its_configuration_after_the_pause(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        trial = started(sweep)
        sweep.take_back(0, pause=10)
        assert sweep.live == set()
        assert sweep.next() is None
        clock.now += 10
        assert sweep.next() == trial
        assert ledger.record(0).attempts_lost == 0


def test_when_ray_dies_all_running_trials_are_lost_and_tried_again(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=3), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        run_to_end(sweep, started(sweep))
        for _ in range(2):
            started(sweep)
        sweep.lose_all()
        assert sweep.live == set()
        assert [record.attempts_lost for record in ledger.records()] == [0, 1, 1]
        clock.now += SHORTEST_PAUSE
        assert {started(sweep).number, started(sweep).number} == {1, 2}


def test_a_trial_that_had_not_begun_loses_no_attempt(tmp_path: Path) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.fail(trial.number, LOST)
        assert ledger.record(0).attempts_lost == 0


def test_two_checkpoints_are_kept_and_older_ones_deleted(tmp_path: Path) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        number = started(sweep).number
        made = save(ledger, sweep, number, (1, 2, 3))
        assert CHECKPOINTS_KEPT == 2
        assert ledger.checkpoints(number) == [made[2], made[1]]
        assert present(ledger) == ["checkpoint_000002", "checkpoint_000003"]


@pytest.mark.parametrize(("ending", "left"), [("complete", ["checkpoint_000004"]), ("stopped", []), ("failed", [])])
def test_only_a_complete_trial_keeps_its_last_checkpoint(tmp_path: Path, ending: str, left: list[str]) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        number = started(sweep).number
        save(ledger, sweep, number, (1, 2, 3, 4) if ending == "complete" else (1, 2))
        match ending:
            case "failed":
                sweep.fail(number, Breakdown(Failure.ERROR, "unlucky"))
            case "stopped":
                sweep.end(number, STOP)
            case _:
                sweep.end(number)
        assert present(ledger) == left
        assert sweep.live == set()


@pytest.mark.parametrize(("damaged", "expected"), [(0, 1), (1, 0), (2, None)])
def test_an_interrupted_trial_continues_from_its_newest_intact_checkpoint(
    tmp_path: Path, damaged: int, expected: int | None
) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        number = started(sweep).number
        made = save(ledger, sweep, number, (1, 2))
        for checkpoint in made[::-1][:damaged]:
            (ledger.folder.checkpoint(checkpoint) / "state").write_text("train")
        sweep.take_back(number)
        again = sweep.next()
        assert again is not None
        assert again.checkpoint == (None if expected is None else made[expected])
        assert ledger.record(number).damaged_checkpoints == damaged
        assert len(ledger.checkpoints(number)) == 2 - damaged


def test_a_checkpoint_of_another_trial_is_never_resumed_from(tmp_path: Path) -> None:
    with ledger_of(study(trials=2), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        first, second = started(sweep).number, started(sweep).number
        (theirs,) = save(ledger, sweep, second, (1,))
        sweep.save(first, theirs)
        sweep.take_back(first)
        again = sweep.next()
        assert again is not None
        assert (again.number, again.checkpoint) == (first, None)


def test_trials_are_judged_at_rungs_alone(tmp_path: Path) -> None:
    with ledger_of(study(trials=4, rungs=[2], objectives={"accuracy": "maximize"}), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        verdicts = []
        for accuracy in (0.9, 0.8, 0.7, 0.1):
            trial = started(sweep)
            for at in (1, 2):
                report = epoch(sweep, trial, at, accuracy=accuracy)
                sweep.report(trial.number, report)
                verdicts.append((at, sweep.judge(trial.number, report.epoch)))
        assert {verdict for at, verdict in verdicts if at == 1} == {CONTINUE}
        assert verdicts[-1][1].decision is Decision.STOP
        assert verdicts[-1][1].reason
        assert verdicts[1][1] == CONTINUE


def test_a_verdict_to_stop_is_recorded_with_its_reason(tmp_path: Path) -> None:
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        number = started(sweep).number
        save(ledger, sweep, number, (1,))
        sweep.end(number, STOP)
        record = ledger.record(number)
        assert (record.state, record.reason) == (State.PRUNED, "hopeless")


def test_a_trial_pauses_only_with_a_checkpoint_of_its_last_epoch(tmp_path: Path) -> None:
    pause = Verdict(Decision.PAUSE, "not among the best")
    with ledger_of(study(trials=2, rungs=[1], hopeless="pause"), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence())
        kept, lost = started(sweep), started(sweep)
        save(ledger, sweep, kept.number, (1,))
        sweep.report(lost.number, epoch(sweep, lost, 1))
        for trial in (kept, lost):
            sweep.end(trial.number, pause)
        assert [record.state for record in ledger.records()] == [State.PAUSED, State.PRUNED]
        sweep.settle()
        assert [record.state for record in ledger.records()] == [State.PRUNED, State.PRUNED]
        assert present(ledger) == []


def test_time_is_noted_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        started(sweep)
        clock.now += SECONDS_BETWEEN_NOTES - 1
        sweep.note_time()
        assert ledger.spent.seconds == 0
        clock.now += 1
        sweep.note_time()
        assert ledger.spent.seconds == SECONDS_BETWEEN_NOTES
        clock.now += 2
        sweep.close()
        assert (ledger.spent.seconds, ledger.spent.device_seconds) == (12, 12)


def test_a_spent_budget_starts_no_new_trial_and_is_named(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=2, hours=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        started(sweep)
        assert sweep.spent_budget is None
        clock.now += 3600
        assert sweep.next() is None
        assert (sweep.waiting, sweep.is_over) == (0, True)
        assert sweep.spent_budget is not None
        assert "budget.hours" in sweep.spent_budget


def test_a_budget_that_runs_out_after_the_last_trial_began_left_nothing_out(tmp_path: Path) -> None:
    clock = Clock()
    with ledger_of(study(trials=1, hours=1), tmp_path) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        started(sweep)
        clock.now += 3600
        assert sweep.spent_budget is None


def test_an_observer_sees_each_change_of_a_trial(tmp_path: Path) -> None:
    observer = Silence()
    with ledger_of(study(trials=1, epochs=2), tmp_path) as ledger:
        sweep = Sweep(ledger, observer)
        run_to_end(sweep, started(sweep))
    seen = [(record.state, len(record.curve)) for record in observer.records]
    assert seen[-1] == (State.COMPLETE, 2)
    assert [curve for _, curve in seen] == sorted(curve for _, curve in seen)
    assert (State.RUNNING, 1) in seen
    assert sweep.reports == 2


@given(st.lists(st.sampled_from(["complete", "stop", "error", "lose", "take back"]), max_size=12))
@settings(max_examples=12)
def test_however_trials_end_each_is_told_once_and_none_is_left(
    tmp_path_factory: pytest.TempPathFactory, fates: list[str]
) -> None:
    clock, told = Clock(), 0
    with ledger_of(study(trials=4), tmp_path_factory.mktemp("store")) as ledger:
        sweep = Sweep(ledger, Silence(), clock=clock)
        for fate in [*fates, *["complete"] * 4]:
            clock.now += LONGEST_PAUSE
            trial = sweep.next()
            if trial is None:
                break
            if fate == "complete":
                run_to_end(sweep, trial)
            else:
                sweep.begin(trial.number)
                sweep.report(trial.number, epoch(sweep, trial, 1))
            match fate:
                case "stop":
                    sweep.end(trial.number, STOP)
                case "error":
                    sweep.fail(trial.number, Breakdown(Failure.ERROR, "unlucky"))
                case "lose":
                    sweep.fail(trial.number, LOST)
                case "take back":
                    sweep.take_back(trial.number)
            states = [record.state for record in ledger.records()]
            assert sum(state in TOLD for state in states) >= told
            told = sum(state in TOLD for state in states)
            assert ledger.asked == len(states) <= 4
            assert sweep.live == set()
        assert (sweep.is_over, told) == (True, 4)


WEIGHING = study(
    paradigms={"rigl": {"scope": "erk", "fraction": 0.3, "updates": 100, "end": 0.75}},
    objectives={"accuracy": "maximize", "macs": "minimize"},
    sampler="known_cost",
    trials=30,
    epochs=8,
    rungs=[1],
    hopeless="pause",
)


def weighing(ledger: Ledger) -> Sweep:
    """Return a sweep whose trials take hours, and in which the cost of the unpruned network is known, and no other."""
    costs = GivenCosts(lambda *_: {}, lambda _: {"macs": Bounds(100, 100)})
    return Sweep(ledger, Silence(), costs=costs, clock=lambda: 3600.0 * ledger.asked)


def test_where_gains_are_weighed_the_first_trials_continue_and_hopeless_ones_wait(tmp_path: Path) -> None:
    with ledger_of(WEIGHING, tmp_path) as ledger:
        sweep = weighing(ledger)
        assert all(_step(ledger, sweep, accuracy=0.8) for _ in range(WHOLE))
        assert not _step(ledger, sweep, accuracy=0.01)
        assert started(sweep).number == WHOLE + 1  # a new trial promises more than the one that waits


def test_where_gains_are_weighed_a_resumed_study_decides_as_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, in_pieces = tmp_path / "whole", tmp_path / "pieces"
    with ledger_of(WEIGHING, whole) as ledger:
        expected = _steps(ledger, range(24))
    for piece in (range(7), range(7, 9), range(9, 16), range(16, 17), range(17, 24)):
        with ledger_of(WEIGHING, in_pieces) as ledger:
            decided = _steps(ledger, piece)
    assert decided == expected
    assert {state for _, state, _ in decided} == {State.COMPLETE, State.PAUSED}


def test_where_gains_are_weighed_the_sampler_always_knows_what_a_resumed_study_would_estimate(tmp_path: Path) -> None:
    with ledger_of(WEIGHING, tmp_path) as ledger:
        sweep, seen = weighing(ledger), []
        for place in range(16):
            _oscillate(ledger, sweep, place)
            sweep._proposer._make_ready()
            seen.append(_estimates(sweep))
            assert seen[-1] == _estimates(weighing(ledger))
    assert len(seen[-1]) > 1
    assert len({tuple(known.values()) for known in seen}) > 8


def _estimates(sweep: Sweep) -> dict[int, tuple[float, ...]]:
    """Return what the sampler believes that the paused trials would come to."""
    proposer = sweep._proposer
    trials = proposer._view._study.trials
    return {number: tuple(trials[key].values) for number, key in proposer._stopped.items()}


def _steps(ledger: Ledger, places: Iterable[int]) -> list[tuple[object, State, int]]:
    """Let trials take their next steps; return what became of all."""
    sweep = weighing(ledger)
    for place in places:
        _oscillate(ledger, sweep, place)
    return [(one.params, one.state, len(one.curve)) for one in ledger.records()]


def _oscillate(ledger: Ledger, sweep: Sweep, place: int) -> None:
    """Let a trial take its next steps; its accuracy rises and falls with the place, and so does what it gains."""
    _step(ledger, sweep, accuracy=0.5 + 0.4 * math.sin(2 * place), gain=0.05 + 0.05 * math.cos(3 * place))


def _step(ledger: Ledger, sweep: Sweep, accuracy: float, gain: float = 0.0) -> bool:
    """Let a trial come to its rung, and to its end if it may; one that has paused there goes to its end."""
    trial = started(sweep)
    if not ledger.record(trial.number).curve:
        save(ledger, sweep, trial.number, [1], accuracy=accuracy)
        verdict = sweep.judge(trial.number, ledger.record(trial.number).curve[-1])
        if not verdict.continues:
            sweep.end(trial.number, verdict)
            return False
    end = ledger.record(trial.number).curve[-1].known("accuracy") + gain
    final = epoch(sweep, trial, sweep.spec.fidelity.epochs, accuracy=end)
    sweep.report(trial.number, replace(final, metrics={**final.metrics, "accuracy": end}))
    sweep.end(trial.number)
    return True

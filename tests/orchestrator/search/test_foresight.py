"""What samplers learn of trials that were stopped early: what they would have come to, which nobody else sees."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.search.foresight import Foresight
from orchestrator.search.sampler_view import lesson
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.verdict import Decision, Verdict
from tests.orchestrator.epochs import an_epoch
from tests.orchestrator.small import Silence, epoch, ledger_of, run_to_end, study

accuracies = st.floats(0, 1)


def record(state: State, *curve: float, macs: float = 5.0, end: float | None = None) -> TrialRecord:
    points = [an_epoch(at, accuracy=one, macs_projected=macs) for at, one in enumerate(curve, start=1)]
    metrics = {"accuracy": end, "macs": macs} if end is not None else {}
    return TrialRecord(
        study="small", trial=0, paradigm="magnitude", state=state, seed=0, curve=tuple(points), metrics=metrics
    )


def test_a_stopped_trial_is_expected_to_gain_what_the_median_of_the_others_gained() -> None:
    foresight = Foresight(study(rungs=[2]))
    for end in (0.6, 0.7, 0.9):
        foresight.learn(record(State.COMPLETE, 0.1, 0.5, end=end))
    foreseen = foresight.metrics(record(State.PRUNED, 0.1, 0.4))
    assert foreseen == pytest.approx({"accuracy": 1 - 0.6 * (0.3 / 0.5), "macs": 5.0})


def test_who_has_less_to_gain_is_expected_to_gain_less() -> None:
    foresight = Foresight(study(rungs=[1], objectives={"loss": "minimize", "accuracy": "maximize"}))
    for trial, (shown, end) in enumerate([(0.8, 0.4), (0.4, 0.2), (0.2, 0.1)]):
        curve = (an_epoch(1, accuracy=1 - shown, loss=shown),)
        known = record(State.COMPLETE, end=1 - end)
        foresight.learn(replace(known, trial=trial, curve=curve, metrics={"accuracy": 1 - end, "loss": end}))
    seen = an_epoch(1, accuracy=0.9, loss=0.1)
    assert foresight.with_luck(seen) == pytest.approx({"accuracy": 0.95, "loss": 0.05})


def test_what_is_right_about_all_images_stays_so_and_teaches_nothing() -> None:
    foresight = Foresight(study(rungs=[1]))
    foresight.learn(record(State.COMPLETE, 1.0, end=0.9))
    assert foresight.metrics(record(State.PRUNED, 0.5)) == {"accuracy": 0.5, "macs": 5.0}
    foresight.learn(record(State.COMPLETE, 0.5, end=0.75))
    assert foresight.metrics(record(State.PRUNED, 1.0)) == {"accuracy": 1.0, "macs": 5.0}


def test_without_others_it_is_taken_as_it_was() -> None:
    assert Foresight(study(rungs=[2])).metrics(record(State.PAUSED, 0.1, 0.4)) == {"accuracy": 0.4, "macs": 5.0}


@given(st.lists(st.tuples(accuracies, accuracies), max_size=5), accuracies, accuracies)
def test_the_order_of_trials_at_a_rung_is_kept(complete: list[tuple[float, float]], one: float, other: float) -> None:
    foresight = Foresight(study(rungs=[1]))
    for at_the_rung, end in complete:
        foresight.learn(record(State.COMPLETE, at_the_rung, end=end))
    first, second = (foresight.metrics(record(State.PRUNED, accuracy)) for accuracy in (one, other))
    assert first is not None
    assert second is not None
    assert (first["accuracy"] <= second["accuracy"]) or one > other


@pytest.mark.parametrize(
    "stopped", [record(State.PRUNED), record(State.PRUNED, float("nan"))], ids=["no report", "not finite"]
)
def test_what_shows_nothing_is_foreseen_as_nothing(stopped: TrialRecord) -> None:
    assert Foresight(study(rungs=[1])).metrics(stopped) is None
    taught = lesson(study(rungs=[1]), stopped, Foresight(study(rungs=[1])))
    assert taught is not None
    assert (taught.state, taught.values) == (State.PRUNED, None)


def test_what_shows_only_at_the_end_is_not_foreseen() -> None:
    spec = study(rungs=[1], objectives={"accuracy": "maximize", "latency": "minimize"})
    assert Foresight(spec).metrics(record(State.PRUNED, 0.5)) is None


def test_a_stopped_trial_that_would_miss_a_constraint_teaches_so() -> None:
    spec = study(rungs=[1], constraints={"macs": "<= 4"})
    taught = lesson(spec, record(State.PRUNED, 0.5), Foresight(spec))
    assert taught is not None
    assert taught.violations == {"macs": 1.0}


def test_what_is_foreseen_stays_out_of_the_ledger(tmp_path: Path) -> None:
    with ledger_of(study(rungs=[2], sampler="tpe"), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        sweep.report(trial.number, epoch(sweep, trial, 1))
        sweep.end(trial.number, Verdict(Decision.STOP, "hopeless"))
        sweep.next()
        assert sweep._proposer._view._study.trials[0].values is not None
        assert (driver.record(0).state, driver.record(0).metrics) == (State.PRUNED, {})
        assert driver.study.best_trials == []


@pytest.mark.parametrize("constraints", [{}, {"accuracy": ">= 0.95"}], ids=["no constraint", "a constraint"])
def test_estimates_of_stopped_trials_are_updated_once_more_trials_have_finished(
    tmp_path: Path, constraints: dict[str, str]
) -> None:
    spec = study(rungs=[2], sampler="tpe", trials=20, constraints=constraints)
    with ledger_of(spec, tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        stopped = sweep.next()
        assert stopped is not None
        sweep.begin(stopped.number)
        for number in (1, 2):
            sweep.report(stopped.number, epoch(sweep, stopped, number))
        sweep.end(stopped.number, Verdict(Decision.STOP, "hopeless"))
        guesses = []
        for _ in range(4):
            trial = sweep.next()
            assert trial is not None
            guesses.append(_known(sweep)[stopped.number])
            resumed = _known(Sweep(driver, Silence()))[stopped.number]
            assert guesses[-1] == resumed
            run_to_end(sweep, trial)
        last = driver.record(stopped.number).curve[-1]
        missed = {name: pytest.approx(0.95 - last.known("accuracy")) for name in constraints}
        expected: object = ([last.accuracy, last.macs_projected], missed)
        assert guesses[0] == expected
        assert all(first != last for first, last in zip(guesses[0], guesses[-1], strict=True) if first)


def _known(sweep: Sweep) -> list[tuple[list[float], dict[str, float]]]:
    """Return what the sampler takes each trial to have come to, and by how much it takes it to miss constraints."""
    return [(list(trial.values or ()), trial.constraints) for trial in sweep._proposer._view._study.trials]

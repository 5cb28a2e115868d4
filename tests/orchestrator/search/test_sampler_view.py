"""What a sampler learns of trials, and what it is not told."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.search.configurations import Configurations
from orchestrator.search.sampler_view import Lesson, View, lesson
from tests.orchestrator.small import FIXED, study

PARAMS: dict[str, Any] = {**FIXED, "sparsity": 0.5}
SPEC = study(constraints={"accuracy": ">= 0.5"})
DONE = TrialRecord(
    study="small",
    trial=0,
    paradigm="magnitude",
    state=State.COMPLETE,
    seed=0,
    params=PARAMS,
    fidelity=1.0,
    metrics={"accuracy": 0.25, "macs": 10.0, "loss": 3.0},
)


def test_a_complete_trial_teaches_its_objectives_in_order_and_its_violations() -> None:
    assert lesson(SPEC, DONE) == Lesson("magnitude", PARAMS, State.COMPLETE, [0.25, 10.0], {"accuracy": 0.25})


@pytest.mark.parametrize(
    ("state", "taught"), [(State.PRUNED, "PRUNED"), (State.PAUSED, "PRUNED"), (State.FAIL, "FAIL")]
)
def test_a_trial_without_a_result_teaches_only_that(state: State, taught: str) -> None:
    record = replace(DONE, state=state, metrics={})
    assert lesson(SPEC, record) == Lesson("magnitude", DONE.params, State(taught))


def test_a_trial_of_fewer_epochs_teaches_nothing() -> None:
    assert lesson(SPEC, replace(DONE, share=0.5)) is None


def test_a_metric_that_was_not_measured_is_named() -> None:
    with pytest.raises(KeyError, match="macs"):
        lesson(SPEC, replace(DONE, metrics={"accuracy": 0.5}))


def best_of(view: View) -> list[float]:
    return sorted(trial.values[1] for trial in view._study.best_trials)


def test_what_was_drawn_is_told_once_it_is_known_and_again_when_it_changes() -> None:
    view = View(Configurations(study()), "random", population=4)
    key, drawn = view.draw({}, 0)
    assert view.drawn == 1
    assert drawn.keys() == view.distributions(drawn).keys()
    assert best_of(view) == []
    view.tell(key, Lesson("magnitude", {}, State.PRUNED))
    assert best_of(view) == []
    view.tell(key, Lesson("magnitude", {}, State.COMPLETE, [0.5, 10.0]))
    assert best_of(view) == [10.0]
    view.tell(key, Lesson("magnitude", {}, State.COMPLETE, [0.5, 5.0]))
    assert best_of(view) == [5.0]


def test_a_trial_of_which_nothing_is_known_is_told_as_failed() -> None:
    view = View(Configurations(study()), "random", population=4)
    key, _ = view.draw({}, 0)
    view.tell(key, None)
    assert [trial.state.name for trial in view._study.trials] == ["FAIL"]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_trial_from_elsewhere_is_taken_up_if_it_has_anything_that_is_searched_here(sampler: str) -> None:
    view = View(Configurations(study()), "tpe" if sampler == "tpe" else "nsga2", population=4)
    taken = view.take_up(Lesson("magnitude", PARAMS, State.COMPLETE, [0.5, 10.0]))
    assert taken is not None
    (trial,) = view._study.trials
    assert trial.params["magnitude.sparsity"] == 0.5
    assert view.take_up(Lesson("dense", {}, State.COMPLETE, [0.5, 10.0])) is None
    assert len(view._study.trials) == 1


def test_a_violated_constraint_reaches_the_sampler() -> None:
    view = View(Configurations(SPEC), "nsga2", population=4)
    taught = lesson(SPEC, DONE)
    assert taught is not None
    view.take_up(taught)
    key, _ = view.draw({}, 1)
    view.tell(key, taught)
    assert [trial.constraints for trial in view._study.trials] == [{"accuracy": pytest.approx(0.25)}] * 2
    assert view._study.best_trials == []

"""A study without a front says why."""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import is_eligible, pareto_front
from orchestrator.results.no_front import why_no_front
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator import small

OBJECTIVES: Mapping[str, str] = {"accuracy": "maximize", "macs": "minimize"}


def study(**constraints: str) -> StudySpec:
    return small.study(trials=3, objectives=OBJECTIVES, constraints=constraints)


def complete(trial: int, accuracy: float, macs: float, **metrics: float) -> TrialRecord:
    measured = {"accuracy": accuracy, "macs": macs, **metrics}
    return TrialRecord(
        study="small", trial=trial, paradigm="dense", state=State.COMPLETE, seed=0, fidelity=1.0, metrics=measured
    )


def infeasible(trial: int, accuracy: float, macs: float) -> TrialRecord:
    return replace(complete(trial, accuracy, macs), feasible=False)


def test_the_bound_that_nobody_meets_is_named_with_the_nearest_trial() -> None:
    spec = study(accuracy=">= 0.99", macs="<= 1e6")
    records = [infeasible(0, 0.9, 5e5), infeasible(1, 0.98, 9e5), infeasible(2, 0.97, 2e6)]
    assert why_no_front(spec, records) == (
        "No trial is on the front: none of 3 complete trials meets validation accuracy >= 0.99; "
        "trial 1 comes nearest, with validation accuracy 98.00 %"
    )


def test_bounds_that_contradict_each_other_are_counted() -> None:
    spec = study(accuracy=">= 0.95", macs="<= 1e6")
    said = why_no_front(spec, [infeasible(0, 0.96, 2e6), infeasible(1, 0.9, 5e5), infeasible(2, 0.5, 5e5)])
    assert "no complete trial meets all constraints at once" in said
    assert "validation accuracy >= 0.95: 1 of 3, effective MACs <= 1e+06: 2 of 3" in said
    assert "trial 1 comes nearest" in said


def test_it_is_not_yet_only_while_trials_are_left() -> None:
    spec = study(accuracy=">= 0.99")
    records = [infeasible(number, 0.9, 1e6) for number in range(3)]
    assert why_no_front(spec, []) == "No trial is on the front yet"
    assert why_no_front(spec, records[:2]).startswith("No trial is on the front yet: none of 2")
    assert why_no_front(spec, records).startswith("No trial is on the front: none of 3")


def test_a_study_of_which_all_trials_failed_says_so() -> None:
    failed = [
        replace(complete(number, 0.0, 0.0), state=State.FAIL, reason="ValueError: unlucky", failure=Failure.ERROR)
        for number in range(3)
    ]
    assert why_no_front(study(), failed) == (
        "No trial is on the front: all 3 trials failed, trial 0 with ValueError: unlucky"
    )


def test_a_disconnected_network_holds_no_place_on_a_front() -> None:
    lost, kept = complete(0, 0.1, 0.0, disconnected=1.0), complete(1, 0.9, 1e6, disconnected=0.0)
    assert not is_eligible(lost, OBJECTIVES)
    assert pareto_front([lost, kept], study().objectives) == [kept]
    assert "1 of 1 complete trials are disconnected" in why_no_front(study(), [lost])


def test_trials_that_were_stopped_or_outgrown_are_counted_beside_those_that_failed() -> None:
    stopped = replace(complete(0, 0.9, 1e6), state=State.PRUNED, fidelity=0.5)
    outgrown = replace(complete(1, 0.9, 1e6), share=0.5)
    failed = replace(complete(2, 0.0, 0.0), state=State.FAIL, reason="ValueError: unlucky", failure=Failure.ERROR)
    running = replace(complete(3, 0.9, 1e6), state=State.RUNNING)
    assert why_no_front(study(), [stopped, outgrown, failed, running]) == (
        "No trial is on the front: 1 of 3 trials failed, trial 2 with ValueError: unlucky; "
        "1 of 3 trials were stopped early; 1 of 3 trials are from before the epochs were raised"
    )


def test_several_bounds_that_nobody_meets_are_named_together() -> None:
    said = why_no_front(study(accuracy=">= 0.99", macs="<= 10"), [infeasible(0, 0.9, 100.0), infeasible(1, 0.5, 11.0)])
    assert "none of 2 complete trials meets validation accuracy >= 0.99 nor effective MACs <= 10" in said
    assert said.endswith("trial 1 comes nearest, with validation accuracy 50.00 %, effective MACs 11")


def test_a_trial_that_did_not_measure_a_bound_comes_last() -> None:
    unmeasured = replace(infeasible(0, 0.989, 1.0), metrics={"accuracy": 0.989})
    said = why_no_front(study(accuracy=">= 0.99", macs="<= 10"), [unmeasured, infeasible(1, 0.1, 1e9)])
    assert "trial 1 comes nearest" in said
    alone = why_no_front(study(accuracy=">= 0.99", macs="<= 10"), [unmeasured])
    assert alone.endswith("trial 0 comes nearest, with validation accuracy 98.90 %, effective MACs -")


def test_disconnected_networks_are_left_out_where_bounds_are_explained() -> None:
    lost = replace(complete(0, 0.1, 0.0, disconnected=1.0), feasible=False)
    said = why_no_front(study(accuracy=">= 0.99"), [lost, infeasible(1, 0.9, 1e6)])
    assert "1 of 2 complete trials are disconnected: their outputs do not depend on the inputs" in said
    assert "none of 1 complete trials meets validation accuracy >= 0.99; trial 1 comes nearest" in said

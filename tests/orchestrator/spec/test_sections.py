"""The sections of a study file, each by itself: what they refuse, and how they are written again."""

import pytest
from pydantic import ValidationError

from orchestrator.spec.sections import Budget, Elastic, Failures, Fidelity, Resources, Search


@pytest.mark.parametrize("rungs", [[3, 2], [2, 2], [0, 2], [2, 10], [10]])
def test_rungs_rise_inside_the_epochs(rungs: list[int]) -> None:
    with pytest.raises(ValidationError, match="must be rising epochs between 1 and 9"):
        Fidelity(epochs=10, rungs=rungs)


def test_a_number_of_workers_is_both_of_its_bounds_and_is_written_as_a_number() -> None:
    resources = Resources.model_validate({"workers": 3})
    assert resources.workers == Elastic(min=3, max=3)
    assert resources.model_dump(mode="json")["workers"] == 3
    assert Resources(workers=Elastic(min=1, max=4)).model_dump(mode="json")["workers"] == {"min": 1, "max": 4}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"gpus": 1.5}, "whole number, or a share of one GPU"),
        ({"mps": True}, "needs gpus between 0 and 1, not 0"),
        ({"mps": True, "gpus": 1.0}, "needs gpus between 0 and 1, not 1"),
        ({"gpus": 2.0, "workers": 2}, "at most 1 where a trial has several workers"),
        ({"workers": 0}, "must be at least 1"),
        ({"workers": 10**6}, "must be at most 100000"),
    ],
)
def test_resources_that_no_machine_gives_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Resources.model_validate(given)


def test_without_more_there_is_no_limit() -> None:
    assert set(Budget().model_dump().values()) == {None}
    assert (Failures().retries, Failures().timeout_minutes) == (3, None)
    assert (Search().sampler, Search().trials, Search().options) == ("auto", 24, {})


def test_earlier_studies_are_named_as_studies_are() -> None:
    with pytest.raises(ValidationError, match="warm_start"):
        Search(warm_start=["../elsewhere"])


def test_a_study_has_a_trial_for_each_seed() -> None:
    assert (Search().seeds, Search().repeat) == (1, "front")
    with pytest.raises(ValidationError, match="must be at most trials, 24: each seed is a trial"):
        Search(seeds=25)
    with pytest.raises(ValidationError, match="repeats nothing with one seed"):
        Search(repeat="all")

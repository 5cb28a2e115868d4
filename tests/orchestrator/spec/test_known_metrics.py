"""Metrics of validation images that a study's section `evaluation` adds."""

from typing import Any

import pytest

from orchestrator.spec.json_schema import study_schema
from orchestrator.spec.known_metrics import evaluated
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import Constraint, StudySpec
from tests.orchestrator import small
from trainables import metrics
from trainables.spec import EvaluationSpec

ROBUST = "accuracy@validation_corrupted_3"
FOG: dict[str, Any] = {"evaluation": {"kinds": ["fog"], "noise": [0.1], "images": 50}}


def test_each_condition_has_its_metrics_and_each_severity_its_summaries() -> None:
    names = evaluated(EvaluationSpec(kinds=("fog",), severities=(1, 3), noise=(0.1,)))
    assert len(names) == 3 * 4 + 2 * 2
    assert {"nll@validation_fog_1", "ece@validation_noise_0.1", ROBUST} <= set(names)
    assert evaluated(None) == []


def test_they_are_objectives_and_constraints_of_the_study_and_of_its_trials() -> None:
    objectives = {"accuracy": "maximize", ROBUST: "maximize", "macs": "minimize"}
    study = small.study(**FOG, objectives=objectives, constraints={"nll@validation_fog_3": "<= 3"})
    assert study.measured == (*objectives, "nll@validation_fog_3")
    assert study.trial("dense", {}, 0).evaluation == EvaluationSpec(kinds=("fog",), noise=(0.1,), images=50)
    assert StudySpec.model_validate_json(study.model_dump_json()) == study


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {ROBUST: "maximize"}}, "is not measured: `evaluation` names the images"),
        ({**FOG, "objectives": {"accuracy@corrupted_3": "maximize"}}, f"did you mean '{ROBUST}'"),
        ({**FOG, "objectives": {"nll@validation_fog_3": "maximize"}}, "must be minimize: the other way"),
        ({**FOG, "constraints": {ROBUST: ">= 1.5"}}, r"can be met by no network: .* lies in \[0, 1\]"),
        ({"evaluation": {"kinds": ["fog"], "severities": [6]}}, r"evaluation\S* .*must be 1, 2, 3, 4 or 5"),
    ],
)
def test_what_is_not_measured_or_cannot_be_met_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        small.study(**changes)


def test_a_metric_of_other_images_has_the_bounds_and_the_direction_of_its_own() -> None:
    metric = metrics.find(ROBUST)
    assert (metric.direction, metric.low, metric.high, metric.foretold) == ("maximize", 0.0, 1.0, None)
    assert metrics.foretold(ROBUST) is None
    assert metrics.is_of_task(ROBUST)
    assert not Constraint.parse(ROBUST, "> 1").can_be_met


def test_editors_accept_them_with_their_only_direction() -> None:
    patterns = study_schema()["properties"]["objectives"]["patternProperties"]
    assert patterns["^nll@validation_"]["enum"] == ["minimize"]

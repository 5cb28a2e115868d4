"""Corrupted and noisy validation images on which a study has every final network measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MemoryContext, computed
from trainables.context import Report
from trainables.errors import InvalidValue
from trainables.evaluation.on_validation import require_fit, summaries
from trainables.spec import DataSpec, EvaluationSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

WANTED = EvaluationSpec(kinds=("fog", "contrast"), severities=(5,), noise=(0.4,), images=20)
SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=120),
    model=ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]}),
    training=TrainingSpec(batch_size=20, lr=0.05, precision="float32"),
    paradigm="dense",
    epochs=1,
    evaluation=WANTED,
)


def last(spec: TrialSpec, folder: Path) -> Report:
    context = MemoryContext(folder)
    run_trial(spec, context)
    return context.reports[-1]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return last(SPEC, tmp_path_factory.mktemp("measured"))


def test_the_network_is_measured_on_images_made_from_validation_ones(measured: Report) -> None:
    metrics = measured.metrics or {}
    images = {name.partition("@")[2] for name in metrics if "@" in name}
    assert images == {
        f"validation_{one}" for one in ("fog_5", "contrast_5", "noise_0.4", "corrupted_5", "corrupted_worst_5")
    }
    fog, contrast = (metrics[f"accuracy@validation_{kind}_5"] for kind in ("fog", "contrast"))
    assert metrics["accuracy@validation_corrupted_5"] == pytest.approx((fog + contrast) / 2)
    assert 20 * fog == pytest.approx(round(20 * fog))
    assert metrics["nll@validation_contrast_5"] != metrics["nll"]


def test_all_other_measurements_are_the_same_without_it(measured: Report, tmp_path: Path) -> None:
    plain = computed(last(replace(SPEC, evaluation=None), tmp_path))
    assert plain == {name: value for name, value in computed(measured).items() if "@" not in name}


def test_the_least_accuracy_of_a_severity_is_kept_beside_the_mean() -> None:
    columns = {"accuracy@validation_fog_3": 0.6, "accuracy@validation_snow_3": 0.8}
    found = summaries(EvaluationSpec(kinds=("fog", "snow")), columns)
    assert found == pytest.approx(
        {"accuracy@validation_corrupted_3": 0.7, "accuracy@validation_corrupted_worst_3": 0.6}
    )
    assert summaries(EvaluationSpec(noise=(0.1,)), {}) == {}


def test_images_that_are_too_small_are_refused() -> None:
    require_fit(WANTED, (1, 8, 8))
    with pytest.raises(InvalidValue, match=r"evaluation.kinds = 'snow': needs images of at least 16 pixels a side"):
        require_fit(EvaluationSpec(kinds=("snow",)), (1, 8, 8))


def test_a_spec_passes_through_json() -> None:
    assert TrialSpec.from_dict(json.loads(json.dumps(SPEC.as_dict()))) == SPEC


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({}, "must name a kind, unless noise has a radius"),
        ({"kinds": ("fogg",)}, "kinds = 'fogg': must be one of .*did you mean 'fog'"),
        ({"kinds": ("fog", "fog")}, "kinds = 'fog': must be named once"),
        ({"kinds": ("fog",), "severities": (6,)}, "severities = 6: must be 1, 2, 3, 4 or 5"),
        ({"kinds": ("fog",), "severities": ()}, "must name at least one of 1 to 5"),
        ({"noise": (1.5,)}, "noise = 1.5: must be greater than 0, and at most 1"),
        ({"noise": (0.1, 0.10000001)}, "noise = 0.1: must be named once, to six digits"),
        ({"noise": (0.1,), "images": 0}, "images = 0: must be at least 1, or left out"),
    ],
)
def test_what_cannot_be_measured_is_refused(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        EvaluationSpec(**wanted)

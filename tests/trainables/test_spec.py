"""What one trial is: refusals with the key and what is allowed, and the way to plain values and back."""

import json
import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.errors import InvalidValue
from trainables.spec import (
    CorruptionSpec,
    DataSpec,
    EnsembleSpec,
    EvaluationSpec,
    LatencySpec,
    ModelSpec,
    TrainingSpec,
    TrialSpec,
    Value,
)

SPEC = TrialSpec(data=DataSpec(name="digits"), model=ModelSpec(name="mlp"), paradigm="dense", epochs=3)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("optimizer", "adam", "must be one of sgd, adamw"),
        ("schedule", "linear", "must be one of cosine, step, one_cycle, constant"),
        ("precision", "float16", "must be one of auto, float32, bfloat16"),
        ("lr", 0.0, "must be greater than 0, and at most 1000"),
        ("lr", 1001.0, "must be greater than 0, and at most 1000"),
        ("lr", math.nan, "must be greater than 0, and at most 1000"),
        ("readout_lr", 0.0, "must be greater than 0, and at most 1000"),
        ("readout_lr", math.inf, "must be greater than 0, and at most 1000"),
        ("momentum", 1.0, r"must lie in \[0, 1\)"),
        ("momentum", -0.1, r"must lie in \[0, 1\)"),
        ("weight_decay", -1e-9, r"must lie in \[0, 1000\]"),
        ("weight_decay", math.inf, r"must lie in \[0, 1000\]"),
        ("milestones", (0.5, 0.2), "must be rising shares between 0 and 1"),
        ("milestones", (0.0, 0.5), "must be rising shares between 0 and 1"),
        ("milestones", (0.5, 1.0), "must be rising shares between 0 and 1"),
        ("gamma", 1.0, "must lie strictly between 0 and 1"),
        ("gamma", 0.0, "must lie strictly between 0 and 1"),
        ("warmup", 1.0, r"must lie in \[0, 1\)"),
        ("batch_size", 1, r"must be at least 2 \(batch norm needs two\)"),
        ("batch_size", 2**20 + 1, "must be at most 1048576"),
        ("scaling", "path", "must be one of none, architecture_aware"),
        ("lr_after_pruning", "rewound", "must be one of kept, scaled"),
        ("paths", "mean", "must be one of sum, average"),
        ("label_smoothing", 1.0, r"must lie in \[0, 1\)"),
        ("label_smoothing", -0.1, r"must lie in \[0, 1\)"),
    ],
)
def test_training_that_means_nothing_is_refused_with_its_key(key: str, value: Any, allowed: str) -> None:
    with pytest.raises(InvalidValue, match=f"{allowed}$") as refused:
        TrainingSpec(**{key: value})
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr", 1000.0),
        ("momentum", 0.0),
        ("weight_decay", 0.0),
        ("milestones", ()),
        ("milestones", (0.5, 0.5)),
        ("warmup", 0.0),
        ("batch_size", 2),
        ("batch_size", 2**20),
        ("label_smoothing", 0.0),
    ],
)
def test_the_ends_of_what_is_allowed_are_allowed(key: str, value: Any) -> None:
    assert getattr(TrainingSpec(**{key: value}), key) == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"validation": 0.0}, r"validation = 0\.0: must lie strictly between 0 and 1"),
        ({"validation": 1.0}, r"validation = 1\.0: must lie strictly between 0 and 1"),
        ({"subset": 0}, "subset = 0: must be at least 1, or left out"),
    ],
)
def test_data_that_cannot_be_split_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        DataSpec(name="digits", **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kinds": ()}, r"kinds = \(\): must name at least one kind"),
        ({"kinds": ("fog", "snwo")}, "kinds = 'snwo': must be one of .*did you mean 'snow'"),
        ({"kinds": ("fog", "fog")}, "kinds = 'fog': must be named once"),
        ({"severity": (0, 3)}, r"severity = \(0, 3\): must be the lowest and the highest, from 1 to 5"),
        ({"severity": (4, 3)}, r"severity = \(4, 3\)"),
        ({"severity": (1, 6)}, r"severity = \(1, 6\)"),
        ({"share": 0.0}, r"share = 0\.0: must be greater than 0, and at most 1"),
        ({"share": 1.1}, r"share = 1\.1"),
    ],
)
def test_corruptions_that_cannot_be_trained_on_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        CorruptionSpec(**{"kinds": ("fog",), **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"test": 0.0}, r"test = 0\.0: must lie strictly between 0 and 1"),
        ({"test": 1.0}, r"test = 1\.0: must lie strictly between 0 and 1"),
        ({"padding": -1}, "padding = -1: must be at least 0, or left out"),
        ({"image_size": 0}, "image_size = 0: must lie between 1 and 16384 pixels"),
        ({"image_size": 16385}, "image_size = 16385: must lie between 1 and 16384 pixels"),
        ({"image_size": (8, 0)}, r"image_size = \(8, 0\)"),
        ({"image_size": (16385, 8)}, r"image_size = \(16385, 8\)"),
        ({"memory": "often"}, "memory = 'often': must be one of auto, always, never"),
    ],
)
def test_images_that_cannot_be_had_so_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        DataSpec(name="digits", **values)


@pytest.mark.parametrize(
    ("image_size", "size"), [(None, None), (1, (1, 1)), (16384, (16384, 16384)), ((1, 16384), (1, 16384))]
)
def test_one_side_stands_for_both(image_size: Any, size: tuple[int, int] | None) -> None:
    assert DataSpec(name="digits", image_size=image_size).size == size


def test_the_smallest_of_everything_that_data_may_say_is_allowed() -> None:
    spec = DataSpec(name="digits", validation=1e-9, test=1 - 1e-9, subset=1, padding=0, memory="never")
    assert (spec.subset, spec.padding) == (1, 0)


def test_data_with_other_options_are_other_data() -> None:
    one, other = (DataSpec(name="table", options={"target": target}) for target in ("price", "rooms"))
    assert one != other
    assert len({one, other, replace(one)}) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": 0}, "batch = 0: must be from 1 to 1048576"),
        ({"batch": 2**20 + 1}, "batch = 1048577: must be from 1 to 1048576"),
        ({"device": "tpu"}, "device = 'tpu': must be one of trial, cpu, cuda"),
    ],
)
def test_latency_that_cannot_be_measured_so_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        LatencySpec(**values)
    assert [LatencySpec(batch=batch).batch for batch in (1, 2**20)] == [1, 2**20]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"members": 1}, "members = 1: must be from 2 to 1000"),
        ({"members": 1001}, "members = 1001: must be from 2 to 1000"),
        ({"window": 0.0}, r"window = 0\.0: must be greater than 0, and at most 1"),
        ({"window": 1.01}, r"window = 1\.01: must be greater than 0, and at most 1"),
        ({"scale": -0.5}, r"scale = -0\.5: must lie in \[0, 1000\]"),
        ({"scale": math.nan}, r"scale = nan: must lie in \[0, 1000\]"),
    ],
)
def test_an_ensemble_that_cannot_be_drawn_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        EnsembleSpec(**values)


@pytest.mark.parametrize("values", [{"members": 2}, {"members": 1000}, {"window": 1.0}, {"scale": 0.0}])
def test_the_ends_of_what_an_ensemble_may_be_are_allowed(values: dict[str, Any]) -> None:
    assert values.items() <= vars(EnsembleSpec(**values)).items()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kinds": ()}, r"kinds = \(\): must name a kind, unless noise has a radius"),
        ({"kinds": ("frog",)}, "kinds = 'frog': must be one of .*did you mean 'f[or]"),
        ({"kinds": ("fog", "snow", "fog")}, "kinds = 'fog': must be named once"),
        ({"severities": ()}, r"severities = \(\): must name at least one of 1 to 5"),
        ({"severities": (0,)}, "severities = 0: must be 1, 2, 3, 4 or 5"),
        ({"severities": (5, 6)}, "severities = 6: must be 1, 2, 3, 4 or 5"),
        ({"severities": (2, 2)}, "severities = 2: must be named once"),
        ({"noise": (0.0,)}, r"noise = 0\.0: must be greater than 0, and at most 1: pixels lie in \[0, 1\]"),
        ({"noise": (0.5, 1.5)}, r"noise = 1\.5: must be greater than 0, and at most 1"),
        ({"noise": (0.1, 0.1 + 1e-9)}, "must be named once, to six digits: metrics are called by it"),
        ({"images": 0}, "images = 0: must be at least 1, or left out"),
    ],
)
def test_images_that_cannot_be_evaluated_on_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        EvaluationSpec(**{"kinds": ("fog",), **values})


def test_noise_alone_is_enough_to_be_evaluated_on() -> None:
    spec = EvaluationSpec(noise=(1.0, 0.1, 0.100002), images=1)
    assert (spec.kinds, len(spec.noise)) == ((), 3)


@pytest.mark.parametrize("severity", [(1, 1), (1, 5), (5, 5)])
def test_images_may_be_corrupted_from_any_severity_to_any_that_is_no_lower(severity: tuple[int, int]) -> None:
    spec = CorruptionSpec(kinds=("fog",), severity=severity, share=1.0)
    assert CorruptionSpec.from_dict(json.loads(json.dumps(vars(spec)))) == spec


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        (ModelSpec(name="mlp"), "mlp"),
        (ModelSpec(name="resnet56", options={"width": 0.5}), "resnet56(width=0.5)"),
        (ModelSpec(name="mlp", options={"widths": [8, 4], "bias": False}), "mlp(widths=[8, 4], bias=False)"),
        (ModelSpec(name="mlp", weights="trial:first/3"), "mlp from trial:first/3"),
        (ModelSpec(name="vit", options={"depth": 2}, weights="a.pt"), "vit(depth=2) from a.pt"),
    ],
)
def test_a_network_is_called_by_its_name_options_and_weights(spec: ModelSpec, label: str) -> None:
    assert spec.label == label


@pytest.mark.parametrize("epochs", [0, -1])
def test_a_trial_without_an_epoch_is_refused(epochs: int) -> None:
    with pytest.raises(InvalidValue, match=f"epochs = {epochs}: must be at least 1"):
        replace(SPEC, epochs=epochs)


values = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)


@given(
    hyperparameters=st.dictionaries(st.text(max_size=5), values, max_size=4),
    options=st.dictionaries(st.text(max_size=5), values | st.lists(values, max_size=3), max_size=3),
    milestones=st.lists(st.floats(0.01, 0.99), max_size=4).map(sorted).map(tuple),
    objectives=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)
def test_a_spec_comes_back_from_json(
    hyperparameters: dict[str, Value],
    options: dict[str, Any],
    milestones: tuple[float, ...],
    objectives: tuple[str, ...],
) -> None:
    spec = replace(
        SPEC,
        data=replace(SPEC.data, corruptions=CorruptionSpec(kinds=("fog", "snow"), severity=(2, 3), share=0.25)),
        model=ModelSpec(name="mlp", options=options),
        training=TrainingSpec(milestones=milestones, augment=False),
        hyperparameters=hyperparameters,
        objectives=objectives,
    )
    assert TrialSpec.from_dict(json.loads(json.dumps(spec.as_dict()))) == spec


def test_everything_that_a_trial_may_ask_for_comes_back_from_json() -> None:
    spec = replace(
        SPEC,
        data=replace(SPEC.data, image_size=(4, 8), options={"columns": ["a", "b"]}, flip=True),
        model=ModelSpec(name="mlp", weights="imagenet"),
        latency=LatencySpec(batch=8, device="cpu"),
        ensemble=EnsembleSpec(members=3, window=0.25, scale=2.0),
        evaluation=EvaluationSpec(kinds=("fog",), severities=(1, 5), noise=(0.1,), images=7),
        task="regression",
        seed=4,
    )
    back = TrialSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
    assert back == spec
    assert (back.data.size, back.objectives) == ((4, 8), ("accuracy", "macs"))
    assert back.evaluation is not None
    assert {type(value) for value in (back.evaluation.noise, back.training.milestones, back.objectives)} == {tuple}


def test_a_spec_from_before_there_were_ensembles_evaluations_and_latencies_has_none() -> None:
    plain = SPEC.as_dict()
    for later in ("ensemble", "evaluation", "latency", "task"):
        del plain[later]
    for later in ("image_size", "corruptions", "memory"):
        del plain["data"][later]
    assert TrialSpec.from_dict(plain) == SPEC


def test_plain_values_are_copies() -> None:
    plain = SPEC.as_dict()
    plain["data"]["name"] = plain["training"]["lr"] = None
    assert (SPEC.data.name, SPEC.training.lr) == ("digits", 0.1)


def test_a_spec_that_was_written_with_a_forbidden_value_is_refused_when_it_is_read() -> None:
    plain = SPEC.as_dict()
    plain["training"]["lr"] = -1.0
    with pytest.raises(InvalidValue, match="lr"):
        TrialSpec.from_dict(plain)


def test_a_spec_costs_no_torch_and_cannot_be_changed() -> None:
    code = "import sys, trainables.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(FrozenInstanceError):
        SPEC.epochs = 5  # type: ignore[misc]

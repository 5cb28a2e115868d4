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
from trainables.spec import CorruptionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value

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

"""An epoch is the same value whether it comes from a trial, through Ray, from the ledger or from the table."""

import json
import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.epoch import EPOCH_FIELDS, USAGE_FIELDS, Epoch, EpochReport
from tests.orchestrator.drawn import EPOCHS, FINITE, NAMES, UNKNOWN
from tests.orchestrator.epochs import an_epoch
from trainables.context import Report, Usage

REPORT = Report(
    epoch=3,
    fidelity=0.75,
    stage="finetune",
    accuracy=0.9,
    loss=0.3,
    train_loss=0.2,
    learning_rate=0.05,
    seconds=1.5,
    macs_projected=1e6,
    params_projected=2e4,
    usage=Usage(images_per_second=1000.0, peak_memory=5e8, device_use=0.9),
    metrics={"accuracy": 0.9, "macs": 1e6},
)


@settings(max_examples=30)
@given(EPOCHS, st.dictionaries(NAMES, FINITE, max_size=3))
def test_a_report_read_from_json_equals_the_one_written(epoch: Epoch, metrics: dict[str, float]) -> None:
    report = EpochReport(epoch, metrics)
    assert EpochReport.from_dict(json.loads(json.dumps(report.as_dict()))) == report


@settings(max_examples=30)
@given(EPOCHS)
def test_unknown_values_are_left_out_and_read_as_unknown(epoch: Epoch) -> None:
    plain = epoch.as_dict()
    assert plain.keys() == {name for name in EPOCH_FIELDS if getattr(epoch, name) is not None}
    assert plain.keys() | set(UNKNOWN) == EPOCH_FIELDS.keys()
    assert Epoch.from_dict(plain) == epoch


def test_an_epoch_has_all_that_a_trial_reports_of_it() -> None:
    reported = {field.name for field in fields(Report)} - {"usage", "metrics", "qualities"}
    assert EPOCH_FIELDS.keys() == reported | set(USAGE_FIELDS)
    assert set(USAGE_FIELDS) == {field.name for field in fields(Usage)}


def test_what_a_trial_reports_reaches_the_ledger_value_by_value() -> None:
    report = EpochReport.of(REPORT)
    assert report.epoch == Epoch(
        epoch=3,
        fidelity=0.75,
        stage="finetune",
        accuracy=0.9,
        loss=0.3,
        train_loss=0.2,
        learning_rate=0.05,
        seconds=1.5,
        macs_projected=1e6,
        params_projected=2e4,
        images_per_second=1000.0,
        peak_memory=5e8,
        device_use=0.9,
    )
    assert report.metrics == {"accuracy": 0.9, "macs": 1e6}


def test_an_epoch_without_training_or_measured_usage_says_so() -> None:
    epoch = EpochReport.of(replace(REPORT, train_loss=None, learning_rate=None, usage=None)).epoch
    assert [getattr(epoch, name) for name in UNKNOWN] == [None] * 5
    partly = EpochReport.of(replace(REPORT, usage=Usage(images_per_second=10.0, peak_memory=None, device_use=None)))
    assert (partly.epoch.images_per_second, partly.epoch.peak_memory) == (10.0, None)


def test_numbers_of_numpy_become_plain_ones_that_json_takes() -> None:
    numbers: dict[str, Any] = {"epoch": np.int64(3), "accuracy": np.float32(0.5), "metrics": {"macs": np.float64(7)}}
    report = EpochReport.of(replace(REPORT, **numbers))
    assert [type(report.epoch.epoch), type(report.epoch.accuracy)] == [int, float]
    assert type(report.metrics["macs"]) is float
    assert json.loads(json.dumps(report.as_dict()))["metrics"] == {"macs": 7.0}


def test_other_keys_are_ignored_and_missing_ones_named() -> None:
    plain = {**EpochReport.of(REPORT).as_dict(), "training_iteration": 3, "trial_id": "x"}
    assert EpochReport.from_dict(plain) == EpochReport.of(REPORT)
    with pytest.raises(TypeError, match="loss"):
        Epoch.from_dict({name: value for name, value in plain.items() if name != "loss"})
    with pytest.raises(KeyError, match="metrics"):
        EpochReport.from_dict({name: value for name, value in plain.items() if name != "metrics"})


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("accuracy", 0.9),
        ("epoch", 1),
        ("train_loss", None),
        ("peak_memory", None),
        ("stage", None),
        ("metrics", None),
        ("__class__", None),
        ("as_dict", None),
    ],
)
def test_only_numbers_are_figures(name: str, figure: float | None) -> None:
    assert an_epoch(1, accuracy=0.9, train_loss=None).figure(name) == figure


def test_what_a_task_measures_goes_through_the_ledger_under_its_own_name() -> None:
    stored = EpochReport.of(replace(REPORT, accuracy=None, qualities={"mae": 0.5})).as_dict()
    assert "accuracy" not in stored
    epoch = EpochReport.from_dict(json.loads(json.dumps(stored))).epoch
    assert (epoch.figure("mae"), epoch.figure("accuracy")) == (0.5, None)
    assert math.isnan(epoch.known("accuracy"))

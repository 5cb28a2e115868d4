"""Seconds for one image of a network that gathers its channels, and of the same with all computed."""

import logging
from pathlib import Path

import pytest

from tests.trainables.stages import a_trial
from trainables.evaluation import instance_latency
from trainables.evaluation.instance_latency import latency_by_image
from trainables.methods.gate_sites import gate_sites
from trainables.structure.instance_gates import attach_gates


def test_both_ways_are_timed_and_where_gathering_does_not_pay_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trial = a_trial(tmp_path)
    attach_gates(trial.model, gate_sites(trial))
    with caplog.at_level(logging.WARNING, instance_latency.__name__):
        measured = latency_by_image(trial, "cpu")
    assert min(measured["latency"], measured["latency_masked"]) > 0
    assert ("gathering the channels" in caplog.text) == (measured["latency"] >= measured["latency_masked"])

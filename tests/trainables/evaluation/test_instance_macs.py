"""The expected MACs over a split, and their spread."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainables.stages import a_trial
from trainables.evaluation.instance_macs import macs_by_image, measure_instances
from trainables.methods.gate_sites import gate_sites
from trainables.structure.complexity import measure
from trainables.structure.instance_gates import CEILING, attach_gates


def test_a_network_without_gates_has_no_macs_of_images(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    assert measure_instances(trial) == {}
    with pytest.raises(ValueError, match="digits_cnn has no instance gates"):
        macs_by_image(trial, "test")


def test_the_mean_and_the_spread_are_those_over_the_images(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    torch.manual_seed(0)
    for gate in attach_gates(trial.model, gate_sites(trial)).each:
        nn.init.normal_(gate.fc2.weight, std=0.1)
        gate.threshold.fill_(1.0)
    by_image = macs_by_image(trial, "validation")
    assert by_image.shape == (len(trial.dataset.validation),)
    measured = measure_instances(trial)
    assert measured["macs"] == measured["macs_effective"] == pytest.approx(float(by_image.mean()))
    assert measured["macs_spread"] == pytest.approx(float(by_image.std(correction=0)))
    assert measured["macs_spread"] > 0
    exceeding = int((by_image > measured["macs_p95"]).sum())
    assert exceeding <= 0.05 * len(by_image) < exceeding + 1 + int((by_image == measured["macs_p95"]).sum())
    assert measured["test_macs"] == pytest.approx(float(macs_by_image(trial, "test").mean()))
    assert trial.model.training, "the network keeps its mode"


def test_closed_gates_leave_what_none_of_them_chooses(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    gates = attach_gates(trial.model, gate_sites(trial))
    costs = measure(trial.model, trial.dataset.input_shape).layers
    assert measure_instances(trial)["macs_p95"] <= sum(layer.macs for layer in costs.values())
    for gate in gates.each:
        gate.threshold.fill_(2 * CEILING)
    always = [name for name in costs if name.startswith("instance_gates") and name.endswith(("0.fc1", "fc2"))]
    measured = measure_instances(trial)
    assert measured["macs"] == measured["macs_p95"] == sum(costs[name].macs for name in always)
    assert measured["macs_spread"] == 0

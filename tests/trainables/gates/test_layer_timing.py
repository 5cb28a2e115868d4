"""Times of layers, measured at several widths on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.conftest import MemoryContext, computed
from tests.trainables.stages import a_trial
from trainables.checkpoint import CHECKPOINT
from trainables.errors import InfeasibleTrial
from trainables.gates import layer_timing
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.layer_timing import measure_layer_times
from trainables.gates.structures import find_structures
from trainables.recipes.gating import Gating
from trainables.spec import DataSpec, LatencySpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.structure.layer_times import LayerTime, LayerTimes
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=160),
    model=ModelSpec(name="mlp", options={"widths": [256, 256]}),
    training=TrainingSpec(batch_size=40, precision="float32"),
    paradigm="complexity_aware",
    hyperparameters={"target_latency": 0.5, "window": 0.5},
    epochs=4,
    latency=LatencySpec(batch=256),
)


@pytest.fixture(autouse=True)
def _fewer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure less often: no test asserts a time."""
    monkeypatch.setattr(layer_timing, "RUNS", 1)


@pytest.mark.parametrize("model", ["digits_cnn", "vit"])
def test_every_layer_with_parameters_is_measured_at_the_widths_that_gates_can_leave(model: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    trial.spec = replace(trial.spec, latency=LatencySpec(batch=2))
    before = {name: value.clone() for name, value in trial.model.state_dict().items()}
    structures = find_structures(trial.model, trial.groups)
    times = measure_layer_times(trial, structures)
    assert all(value.equal(before[name]) for name, value in trial.model.state_dict().items())
    written = {name: group.size for group in structures.groups for name in group.writers}
    for name, time in times.layers.items():
        assert time.outputs[-1] == written.get(name, 1)
        assert time.seconds.shape == (len(time.inputs), len(time.outputs))
        assert (time.seconds > 0).all()
    read = {reader.module for group in structures.groups for reader in group.readers}
    assert {name for name, time in times.layers.items() if len(time.inputs) > 1} == read
    assert times.total >= 0.999 * times.whole > 0


def _by_parameters(module: nn.Module, *_: object, **__: object) -> float:
    """Stand for a clock on which layers take time by their parameters: a real one's steps can be wider than budgets."""
    return 1e-6 * sum(value.numel() for value in module.parameters())


def _never(*_: object, **__: object) -> float:
    raise AssertionError("measured again")


def test_a_trial_meets_its_budget_by_the_table_with_which_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_timing, "latency", _by_parameters)
    whole = MemoryContext(tmp_path / "whole")
    run_trial(SPEC, whole)
    metrics = whole.reports[-1].metrics
    assert metrics["latency_predicted"] / metrics["latency_dense"] == pytest.approx(0.5, rel=0.02)
    assert metrics["macs"] < 0.9 * metrics["macs_dense"]
    table = _table(whole.checkpoints[0])
    monkeypatch.setattr(layer_timing, "latency", _never)
    rest = MemoryContext(tmp_path / "rest", resume_from=whole.checkpoints[0])
    run_trial(SPEC, rest)
    assert _table(rest.checkpoints[-1]) == table
    ends = [computed(context.reports[-1]) for context in (whole, rest)]
    assert ends[0].pop("latency") > 0 < ends[1].pop("latency")
    assert ends[0] == ends[1]


def _table(folder: Path) -> str:
    return str(torch.load(folder / CHECKPOINT, weights_only=True)["layer_times"])


def test_steps_are_finite_where_more_units_take_no_more_time(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    sizes = {group.name: group.size for group in find_structures(trial.model, trial.groups).groups}
    flat = {name: LayerTime((1,), (1, size), torch.ones(1, 2)) for name, size in sizes.items()}
    rising = LayerTime((1,), (1, 64), torch.tensor([[1.0, 9.0]]))
    trial.layer_times = LayerTimes(flat | {"conv3": rising}, whole=4.0)
    network = GatedNetwork(Gating(epochs=1, target_latency=0.5), trial)
    units, _ = network.pace()
    assert (units > 0).all()
    assert units[-1] > 5 * units[0]


def test_a_budget_below_what_no_gate_can_save_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match=r"target_latency = 1e-06: .* of the layers' seconds of digits_cnn"):
        GatedNetwork(Gating(epochs=1, target_latency=1e-6), a_trial(tmp_path))

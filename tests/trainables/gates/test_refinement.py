"""An average of the weights, and statistics measured again, once the gates are gone."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.conftest import Interrupted, MemoryContext, computed
from tests.trainables.stages import a_trial
from trainables.checkpoint import CHECKPOINT
from trainables.gates.refinement import Refinement
from trainables.recipes.gating import Refining
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.state import LiveTrial
from trainables.trial import run_trial

STEPS = 3  # of an epoch


def run_epoch(refinement: Refinement, trial: LiveTrial, value: float) -> None:
    """Let each step of an epoch move all weights to `value`."""
    nothing = torch.zeros(0)
    for _ in range(STEPS):
        refinement.before_forward(nothing, nothing)
        with torch.no_grad():
            for parameter in trial.model.parameters():
                parameter.fill_(value)
        refinement.after_step()
    refinement.after_epoch()


def first(trial: LiveTrial) -> float:
    return float(next(trial.model.parameters()).detach().flatten()[0])


def test_nothing_is_averaged_before_the_gates_are_gone(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    refinement = Refinement(Refining(average=0.9), trial, begin=STEPS, steps=3 * STEPS)
    run_epoch(refinement, trial, 5.0)
    assert first(trial) == 5
    run_epoch(refinement, trial, 1.0)
    assert first(trial) == pytest.approx(1)


def test_between_epochs_the_network_is_the_average_and_in_steps_what_the_optimizer_moves(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    refinement = Refinement(Refining(average=0.5), trial, begin=0, steps=2 * STEPS)
    run_epoch(refinement, trial, 0.0)
    run_epoch(refinement, trial, 1.0)
    assert first(trial) == pytest.approx(1 - _left(4, 6))
    nothing = torch.zeros(0)
    refinement.before_forward(nothing, nothing)
    assert first(trial) == 1


def _left(start: int, end: int) -> float:
    """Return how much of an average is left after the updates `start` to `end` of a decay of 0.5."""
    left = 1.0
    for update in range(start, end + 1):
        left *= 1 - max(0.5, 9 / (9 + update))
    return left


@pytest.mark.parametrize(("begin", "measured"), [(0, [False, True]), (STEPS, [True, True])])
def test_statistics_are_measured_again_when_the_gates_are_gone_and_at_the_end(
    begin: int, measured: list[bool], tmp_path: Path
) -> None:
    trial = a_trial(tmp_path)
    refinement = Refinement(Refining(recalibrate=True), trial, begin, steps=2 * STEPS)
    for is_measured in measured:
        for value in _statistics(trial).values():
            value.fill_(7.0)
        run_epoch(refinement, trial, 0.1)
        changed = [not bool((value == 7).all()) for value in _statistics(trial).values()]
        assert all(changed) if is_measured else not any(changed)


def _statistics(trial: LiveTrial) -> Mapping[str, Tensor]:
    return {name: value for name, value in trial.model.state_dict().items() if name.endswith("running_mean")}


@pytest.mark.parametrize(
    "values",
    [
        {"distill": 1.0, "average": 0.9, "recalibrate": True},
        {"average": 0.9, "recalibrate": True, "restart": 0.5, "path": "fade"},
    ],
    ids=["sampled", "faded, with a second schedule"],
)
def test_a_refined_trial_that_is_interrupted_ends_in_the_same_network(values: dict[str, Value], tmp_path: Path) -> None:
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=160),
        model=ModelSpec(name="digits_cnn", options={"widths": [8, 8, 8]}),
        training=TrainingSpec(batch_size=40, precision="float32"),
        paradigm="complexity_aware",
        hyperparameters={"target_macs": 0.5, "window": 0.5, **values},
        epochs=4,
    )
    whole = MemoryContext(tmp_path / "whole")
    run_trial(spec, whole)
    for epoch in (1, 3):
        part = MemoryContext(tmp_path / f"first{epoch}", stop_after=epoch)
        with pytest.raises(Interrupted):
            run_trial(spec, part)
        rest = MemoryContext(tmp_path / f"rest{epoch}", resume_from=part.checkpoints[-1])
        run_trial(spec, rest)
        assert computed(rest.reports[-1]) == computed(whole.reports[-1])
        ends = [torch.load(c.checkpoints[-1] / CHECKPOINT, weights_only=True) for c in (whole, rest)]
        assert str(ends[0]["model"]) == str(ends[1]["model"])

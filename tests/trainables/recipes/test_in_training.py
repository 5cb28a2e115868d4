"""Companions of training resume after an interruption as if there had been none, with non-default settings."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Interrupted, MemoryContext, computed
from trainables.checkpoint import CHECKPOINT
from trainables.masking.sparse_state import unpack
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

EPOCHS = 6
CASES: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("rigl", {"updates": 7, "scope": "layer"}, {"optimizer": "adamw", "lr": 0.01}),
    ("edge_popup", {"scope": "global"}, {"optimizer": "adamw", "lr": 0.01}),
    ("dst", {"alpha": 0.02}, {"optimizer": "adamw", "lr": 0.01}),
    ("greg", {"variant": "greg_2", "pruning": 0.5, "finetune": 0.2, "granularity": "filter"}, {}),
    ("group_envelope", {"penalty": "half_space", "ramp": 0.3, "strength": 0.1, "target_macs": 0.5}, {}),
    ("polarization", {"target_macs": 0.5, "probes": 2, "probe": 0.15}, {"optimizer": "adamw", "lr": 0.01}),
    ("greg", {"pruning": 0.5, "finetune": 0.2, "scope": "layer"}, {"optimizer": "adamw", "lr": 0.01}),
)


@pytest.mark.parametrize(("paradigm", "values", "training"), CASES)
def test_an_interrupted_trial_ends_in_the_same_network(
    paradigm: str, values: dict[str, Any], training: dict[str, Any], tmp_path: Path
) -> None:
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=120),
        model=ModelSpec(name="digits_cnn"),
        training=TrainingSpec(batch_size=40, **training),
        paradigm=paradigm,
        hyperparameters=values,
        epochs=EPOCHS,
    )
    whole = MemoryContext(tmp_path / "whole")
    run_trial(spec, whole)
    expected = whole.checkpoints[-1]
    first = MemoryContext(tmp_path / "first", stop_after=EPOCHS // 2)
    with pytest.raises(Interrupted):
        run_trial(spec, first)
    saved = {**dict(enumerate(whole.checkpoints[: EPOCHS - 1], start=1)), EPOCHS // 2: first.checkpoints[-1]}
    for stop_after, checkpoint in saved.items():
        second = MemoryContext(tmp_path / f"second{stop_after}", resume_from=checkpoint)
        run_trial(spec, second)
        resumed, known = _network(second.checkpoints[-1]), _network(expected)
        assert all(torch.equal(known[name], value) for name, value in resumed.items())
        assert computed(second.reports[-1]) == computed(whole.reports[-1])


def _network(checkpoint: Path) -> dict[str, torch.Tensor]:
    return unpack(torch.load(checkpoint / CHECKPOINT, weights_only=True)["model"])

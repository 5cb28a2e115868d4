"""Files with the weights of networks that have lost channels and blocks, as earlier trials leave them."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.trainables.stages import a_trial
from trainables import checkpoint
from trainables.models.weight_files import ARCHITECTURE
from trainables.state import LiveTrial
from trainables.structure.removal import plan_removal, remove


def halved(folder: Path, model: str, *, dropped: int = 0) -> LiveTrial:
    """Return a trial whose network has lost every second channel that it can lose, and its first `dropped` blocks."""
    trial = a_trial(folder / "earlier", model)
    keep = {group.name: torch.arange(group.size) % 2 == 0 for group in trial.groups if not group.coupled}
    trial.plan = plan_removal(trial.groups, keep, trial.blocks[:dropped] if dropped else ())
    remove(trial.model, trial.plan)
    trial.replace_model(trial.model)
    return trial


def written(trial: LiveTrial, folder: Path) -> Path:
    """Write a trial's network as an earlier trial's is, and return the file."""
    checkpoint.save(trial, folder)
    state, left = checkpoint.weights_of(folder)
    assert left is not None
    path = folder / "weights.safetensors"
    tensors = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    save_file(tensors, path, metadata={ARCHITECTURE: json.dumps(left.as_json())})
    return path

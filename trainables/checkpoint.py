"""The file from which a trial resumes: a network whose shape has changed, its masks, the state of its training."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.context import Report, Usage
from trainables.masking.masks import Masks
from trainables.masking.sparse_state import pack, pack_mask, pack_optimizer, unpack, unpack_mask, unpack_optimizer
from trainables.state import LiveTrial, Position
from trainables.structure.removal import RemovalPlan, rebuild

CHECKPOINT = "trial.pt"
"""The name of the file in a checkpoint's folder."""


def save(trial: LiveTrial, folder: Path) -> None:
    """Write a checkpoint that can rebuild a network whose shape has changed, without the zeros of masks."""
    torch.save(state_of(trial), folder / CHECKPOINT)


def state_of(trial: LiveTrial) -> dict[str, Any]:
    """Return what a checkpoint holds; its tensors are the trial's own, and change with it."""
    masks = trial.masks.items()
    in_order = [masks.get(name) for name, _ in trial.model.named_parameters()]
    state = {
        "position": vars(trial.position),
        "model": pack(trial.model.state_dict(), masks),
        "masks": {name: pack_mask(mask) for name, mask in trial.weight_masks.items()},
        "plan": trial.plan.as_json(),
        "dropped": list(trial.dropped),
        "snapshot": trial.snapshot,
        "optimizer": pack_optimizer(trial.optimizer.state_dict(), in_order) if trial.optimizer else None,
        "companion": trial.companion.state_dict(),
        "generator": trial.generator.get_state(),
        "random": torch.get_rng_state(),
        "measured": trial.measured,
        "precision": str(trial.chosen_precision).removeprefix("torch.") if trial.chosen_precision else None,
        "report": asdict(trial.last_report) if trial.last_report else None,
    }
    if trial.context.device.startswith("cuda"):
        state["random_cuda"] = torch.cuda.get_rng_state()
    return state


def restore(trial: LiveTrial, folder: Path) -> None:
    """Give a fresh trial the state that `save` wrote into `folder`."""
    load_state(trial, torch.load(folder / CHECKPOINT, weights_only=True, map_location=trial.context.device))


def load_state(trial: LiveTrial, state: dict[str, Any]) -> None:
    """Give a trial, whose network has its dense shape, a state that `state_of` returned."""
    _restore_network(trial, state)
    trial.position = Position(**state["position"])
    trial.measured = state["measured"]
    # Checkpoints of earlier versions hold neither.
    trial.chosen_precision = getattr(torch, state["precision"]) if state.get("precision") else None
    trial.last_report = _report(state.get("report"))
    optimizer = state["optimizer"] and unpack_optimizer(state["optimizer"])
    trial.interrupted = {"optimizer": optimizer, "companion": state["companion"]}
    trial.generator.set_state(state["generator"].cpu())
    torch.set_rng_state(state["random"].cpu())
    if "random_cuda" in state:
        torch.cuda.set_rng_state(state["random_cuda"].cpu())


def dense_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights of the network in a checkpoint on the CPU, with zeros where they are masked."""
    state = torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu")
    return unpack(state["model"])


def _restore_network(trial: LiveTrial, state: dict[str, Any]) -> None:
    trial.dropped = tuple(state["dropped"])
    rebuild(trial.model, unpack(state["model"]), trial.dropped)
    trial.model = trial.place(trial.model)
    trial.masks = Masks(trial.model)
    trial.plan = RemovalPlan.from_json(state["plan"])
    trial.mask_weights({name: unpack_mask(mask).float() for name, mask in state["masks"].items()})
    trial.snapshot = state["snapshot"]


def _report(plain: dict[str, Any] | None) -> Report | None:
    if plain is None:
        return None
    return Report(**{**plain, "usage": Usage(**plain["usage"]) if plain["usage"] else None})

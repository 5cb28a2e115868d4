"""The file from which a trial resumes: a network whose shape has changed, its masks, the state of its training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables import models
from trainables.context import Report, Usage
from trainables.masking.masks import Masks
from trainables.masking.sparse_state import pack, pack_mask, pack_optimizer, unpack, unpack_mask, unpack_optimizer
from trainables.models.torch_attention import with_own_names
from trainables.models.weight_files import Remainder
from trainables.spec import ModelSpec
from trainables.state import LiveTrial, Position
from trainables.structure.blocks import drop_blocks
from trainables.structure.instance_gates import Site, attach_gates, gates_of
from trainables.structure.layer_times import LayerTimes
from trainables.structure.removal import RemovalPlan, take_shapes
from trainables.structure.start import Start

CHECKPOINT = "trial.pt"
"""The name of the file in a checkpoint's folder."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a network takes and gives: images of `input_shape`, and an output for each of the `classes`.

    The channels of the images, scaled to [0, 1], were normalised by `mean` and `std`, which are empty where they are
    not known.
    """

    classes: int
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


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
        "signature": asdict(_signature(trial)),
        "start": trial.start.as_state() if trial.start is not None else None,
        "gates": [site.as_state() for site in gates.sites] if (gates := gates_of(trial.model)) is not None else [],
        "layer_times": trial.layer_times.as_state() if trial.layer_times is not None else None,
    }
    if trial.context.device.startswith("cuda"):
        state["random_cuda"] = torch.cuda.get_rng_state()
    return state


def start_in(folder: Path) -> Start | None:
    """Return the shape with which a trial began, so that it resumes without its file of weights; None: the dense one.

    Before checkpoints held it, no trial began with another.
    """
    state = torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu", mmap=True).get("start")
    return Start.of_state(state) if state is not None else None


def restore(trial: LiveTrial, folder: Path) -> None:
    """Give a fresh trial the state that `save` wrote into `folder`."""
    load_state(trial, torch.load(folder / CHECKPOINT, weights_only=True, map_location=trial.context.device))


def load_state(trial: LiveTrial, state: dict[str, Any]) -> None:
    """Give a trial, whose network has the shape with which it started, a state that `state_of` returned."""
    _restore_network(trial, state)
    trial.position = Position(**state["position"])
    trial.measured = state["measured"]
    # Checkpoints of earlier versions hold none of these.
    trial.chosen_precision = getattr(torch, state["precision"]) if state.get("precision") else None
    trial.last_report = _report(state.get("report"))
    trial.layer_times = LayerTimes.of_state(times) if (times := state.get("layer_times")) is not None else None
    optimizer = state["optimizer"] and unpack_optimizer(state["optimizer"])
    trial.interrupted = {"optimizer": optimizer, "companion": state["companion"]}
    trial.generator.set_state(state["generator"].cpu())
    torch.set_rng_state(state["random"].cpu())
    if "random_cuda" in state:
        torch.cuda.set_rng_state(state["random_cuda"].cpu())


def weights_of(folder: Path) -> tuple[dict[str, Tensor], Remainder | None]:
    """Return the weights of the network in a checkpoint on the CPU, zeros where masked, and what removal has left.

    The latter is None where an earlier version wrote the checkpoint.
    """
    state = torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu")
    left = Remainder(tuple(state["dropped"]), state["signature"]["classes"]) if "signature" in state else None
    return unpack(state["model"]), left


def dropped_blocks(folder: Path) -> tuple[str, ...]:
    """Return the names of the residual blocks that the network in a checkpoint has lost."""
    return tuple(torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu", mmap=True)["dropped"])


def signature(folder: Path) -> Signature | None:
    """Return what the network in a checkpoint takes and gives; None where an earlier version wrote it."""
    state = torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu", mmap=True)
    return Signature(**state["signature"]) if "signature" in state else None


def load_network(folder: Path, spec: ModelSpec, signature: Signature) -> nn.Module:
    """Return the network in a checkpoint on the CPU, in evaluation mode: without what was removed, zeros where masked.

    Reads no data, and leaves torch's random state as it is.
    """
    state = torch.load(folder / CHECKPOINT, weights_only=True, map_location="cpu")
    return rebuilt(spec, signature, unpack(state["model"]), tuple(state["dropped"]), state.get("gates") or ())


def rebuilt(
    spec: ModelSpec,
    signature: Signature,
    weights: Mapping[str, Tensor],
    dropped: tuple[str, ...] = (),
    gates: Sequence[Mapping[str, Any]] = (),
) -> nn.Module:
    """Return the network of these weights, on the CPU in evaluation mode: without what was removed of the dense one.

    `gates` are the states of the sites of gates that stay in it.
    """
    model = dense_network(spec, signature)
    _rebuild(model, weights, dropped, gates)
    return model.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload,no-any-return]


def dense_network(spec: ModelSpec, signature: Signature) -> nn.Module:
    """Return the network before pruning, untrained, in evaluation mode."""
    with torch.random.fork_rng(devices=()):
        shape = signature.input_shape
        return models.build(spec.name, classes=signature.classes, input_shape=shape, options=spec.options).eval()


def _signature(trial: LiveTrial) -> Signature:
    data = trial.dataset
    return Signature(
        classes=data.classes,
        input_shape=data.input_shape,
        mean=tuple(map(float, data.mean)),
        std=tuple(map(float, data.std)),
    )


def _restore_network(trial: LiveTrial, state: dict[str, Any]) -> None:
    gone, trial.dropped = trial.dropped, tuple(state["dropped"])
    dropped = tuple(block for block in trial.dropped if block not in gone)
    _rebuild(trial.model, unpack(state["model"]), dropped, state.get("gates") or ())
    trial.model = trial.place(trial.model)
    trial.masks = Masks(trial.model)
    trial.plan = RemovalPlan.from_json(state["plan"])
    masks = {name: unpack_mask(mask).float() for name, mask in state["masks"].items()}
    trial.mask_weights(with_own_names(trial.model, masks))
    trial.snapshot = state["snapshot"] and with_own_names(trial.model, state["snapshot"])


def _rebuild(
    model: nn.Module, weights: Mapping[str, Tensor], dropped: tuple[str, ...], gates: Sequence[Mapping[str, Any]]
) -> None:
    """Give a network the shapes and values in a checkpoint, and the gates that stay in it, which early ones lack."""
    drop_blocks(model, dropped)
    if gates:
        with torch.random.fork_rng(devices=()):
            attach_gates(model, map(Site.of_state, gates))
    take_shapes(model, weights)


def _report(plain: dict[str, Any] | None) -> Report | None:
    if plain is None:
        return None
    return Report(**{**plain, "usage": Usage(**plain["usage"]) if plain["usage"] else None})

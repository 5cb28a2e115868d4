"""In which type a network multiplies while it trains: what was asked, or what suits the hardware and can be trusted."""

import copy
import logging
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainables.spec import TrainingSpec
from trainables.tasks.base import Task
from trainables.tasks.classification import CLASSIFICATION

LOG = logging.getLogger(__name__)

CLOSE = 0.5
"""How far gradients may lie from those of float32: a share of their norm, where rounding alone makes up to 0.46."""

SMALL = 0.05
"""The share of the whole gradient's norm below which nobody asks for more digits of a parameter's gradient."""

POISONS = (float("nan"), 1e4)
"""What is left in memory before each of two runs: what reads memory that it has not written cannot give the same."""


def precision_for(spec: TrainingSpec, device: str | torch.device) -> torch.dtype:
    """Return the type in which networks multiply in training: as `spec` says, or what suits the hardware.

    ``auto`` is bfloat16 where there are instructions that multiply it (CUDA from compute capability 8.0; CPUs with
    AMX, AVX512-BF16 or Arm's BF16), float32 elsewhere, where bfloat16 is emulated and slower.
    """
    native = spec.precision == "bfloat16" or (spec.precision == "auto" and _multiplies_bfloat16(torch.device(device)))
    return torch.bfloat16 if native else torch.float32


def distrust(
    model: nn.Module, images: Tensor, labels: Tensor, precision: torch.dtype, task: Task = CLASSIFICATION
) -> str | None:
    """Return what is wrong with a network's gradients in `precision` on a batch; None if nothing is.

    They must be finite, come out the same twice (on a CPU bit for bit), and lie close to those of float32. Images are
    [B, C, H, W], labels [B]. Neither the network nor torch's random state changes.
    """
    expected = _gradients(model, images, labels, torch.float32, task)
    once, again = (_gradients(model, images, labels, precision, task, poison) for poison in POISONS)
    if not all(gradient.isfinite().all() for gradient in (*once, *again)):
        return "are not finite"
    exactly = images.device.type == "cpu"
    if not (all(map(torch.equal, once, again)) if exactly else _are_close(once, again)):
        return "are not the same twice"
    return None if _are_close(once, expected) else "differ from those in float32"


def trusted_or_float32(
    precision: torch.dtype, model: nn.Module, images: Tensor, labels: Tensor, name: str, task: Task
) -> torch.dtype:
    """Return `precision`, or float32, with a warning that calls the network `name`, where `distrust` finds a reason."""
    wrong = distrust(model, images, labels, precision, task)
    if wrong is None:
        return precision
    LOG.warning("%s trains in float32: its gradients in %s %s", name, str(precision).removeprefix("torch."), wrong)
    return torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16", "bf16"))


def _gradients(
    model: nn.Module, images: Tensor, labels: Tensor, precision: torch.dtype, task: Task, poison: float = 0.0
) -> list[Tensor]:
    """Return the gradients of all parameters that the loss depends on, of a copy in training mode."""
    network = copy.deepcopy(model).train()
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        torch.manual_seed(0)
        with torch.autocast(images.device.type, dtype=precision, enabled=precision != torch.float32):
            logits = network(images)
        loss = task.reduced(logits.float(), labels, "mean")
        _leave_in_memory(poison, parameters, precision)
        return list(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))


def _leave_in_memory(value: float, parameters: Sequence[Tensor], precision: torch.dtype) -> None:
    """Fill memory of the size of every gradient and free it, for a kernel that reads it before writing."""
    for dtype in (precision, torch.float32):
        freed = [torch.full_like(parameter, value, dtype=dtype) for parameter in parameters]
        del freed


def _are_close(gradients: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    sizes = torch.stack([gradient.norm() for gradient in expected])
    apart = torch.stack([(narrow - wide).norm() for narrow, wide in zip(gradients, expected, strict=True)])
    total = sizes.norm()
    return bool((apart <= CLOSE * (sizes + SMALL * total)).all() and apart.norm() <= CLOSE * total)

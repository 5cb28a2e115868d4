"""What a trial needs from its surroundings: to report, to save, to resume."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

SaveCheckpoint = Callable[[Path], None]
"""Writes a complete checkpoint into an existing empty folder."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What training took in one epoch, without evaluation and checkpoints. None is what could not be measured.

    `peak_memory`, in bytes, is on a GPU the most that tensors of this process held at once; what CUDA itself and
    torch's cache hold comes on top. On a CPU it is the most of the process that was resident at once: with libraries,
    mapped data, and what earlier trials left behind; where the kernel forgets no earlier peak, what is resident at the
    end.
    `device_use` is a share. On a GPU: how many looks at it found work of this process queued or running. On a CPU:
    processor time by what torch's threads could have had, which other threads of the process may exceed.
    Of several processes that train one network together, both are those of this one, the images those of all.
    """

    images_per_second: float
    peak_memory: float | None
    device_use: float | None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What is reported of one epoch.

    `fidelity` is the share of the training budget spent, in (0, 1]; `accuracy` and `loss` are measured on the
    validation split, and so are `qualities`, what the task measures besides; tasks without accuracy have none.
    `macs_projected` and `params_projected` are what the network will cost at the *end* of the
    recipe, so that a gradual method is not judged by a network that is not pruned yet. `train_loss` and
    `learning_rate` are None if no epoch was trained, or if it is not known how; `usage` is what the epoch took of the
    machine, if that was measured. `metrics` is empty except in the last report, which carries everything
    measured on the final network and has fidelity 1.
    """

    epoch: int
    fidelity: float
    stage: str
    accuracy: float | None = None
    loss: float
    train_loss: float | None
    learning_rate: float | None
    seconds: float
    macs_projected: float
    params_projected: float
    usage: Usage | None = None
    qualities: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


class Context(Protocol):
    """How `run_trial` reports, saves and resumes, and where it runs.

    Of several processes that train one network together each has its own; all report and restore at the same points.
    """

    @property
    def device(self) -> str:
        """A torch device, such as ``"cpu"`` or ``"cuda"``."""
        ...

    @property
    def cache(self) -> Path | None:
        """A folder for data shared by the trials of this machine, or None to keep everything in memory."""
        ...

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        """Publish an epoch. Calls `save` with an empty folder when a checkpoint is wanted."""
        ...

    def restore(self) -> Path | None:
        """Return the folder of the checkpoint to resume from, or None for a fresh start."""
        ...


@dataclass(frozen=True)
class Unheard:
    """A context for training that is only timed: it neither reports nor saves."""

    device: str
    cache: Path | None = None

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - a context's
        raise AssertionError("what is only timed reports nothing")

    def restore(self) -> Path | None:
        return None

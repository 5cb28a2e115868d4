"""A trial's interface to Ray Tune: how it reports epochs and failures, and restores checkpoints."""

import pkgutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final, Self

from ray import tune

from orchestrator.execution.trial_log import shorten
from orchestrator.execution.work_order import WorkOrder
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.failures import GroupBroken, breakdown
from orchestrator.store.attempts import TRIAL_LOG, CheckpointRef
from orchestrator.store.checkpoints import Owner
from orchestrator.store.disk import is_full
from orchestrator.store.remote import Remote, StoreLost, patiently
from orchestrator.store.trial_files import TrialFiles, files_at
from trainables.context import Report, SaveCheckpoint
from trainables.spec import TrialSpec

FAILURE: Final = "failure"
"""The key under which a trial reports the exception that is about to end it, as a pair of kind and text."""


DISK_FULL: Final = "disk full"
"""The key under which a trial reports that the disk is full."""


STORE_LOST: Final = "store lost"
"""The key under which a trial reports that its store cannot be reached."""


CHECKPOINT: Final = "kept"
"""The key under which a trial reports which checkpoint it has kept with an epoch."""


@dataclass(frozen=True, kw_only=True)
class WorkerContext:
    """Ray Tune as a trial sees it.

    `folder` is the trial's folder within its study's, `resume_from` the checkpoint that the ledger knows of, `cpus` how
    many processors the trial may use, `gpus` how many GPUs it has to itself, or its share of one.
    """

    files: TrialFiles
    folder: Path
    resume_from: CheckpointRef | None
    device: str
    cache: Path | None
    cpus: float
    gpus: float = 0
    owner: Owner | None = None
    """The trial that the checkpoints belong to."""
    numbers: Iterator[int] = field(default_factory=count)
    """The numbers of this attempt's next checkpoints."""

    @classmethod
    def of(cls, order: WorkOrder) -> Self:
        """Return the context of a process that carries out an order."""
        return cls(
            files=files_at(order.folder.parent, Remote(order.remote) if order.remote else None),
            folder=order.folder,
            resume_from=order.resume_from,
            device=order.device,
            cache=order.cache,
            cpus=order.cpus,
            gpus=order.gpus,
            owner=order.owner,
        )

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        """Report an epoch, with a checkpoint if `save` writes anything; the checkpoint is stored before the report."""
        checkpoint = CheckpointRef(self.folder.name, f"checkpoint_{next(self.numbers):06d}")
        owner = self.owner and replace(self.owner, epoch=report.epoch)
        kept = self.files.keep(checkpoint, save, owner)
        shorten(self.folder / TRIAL_LOG)
        tune.report({**EpochReport.of(report).as_dict(), **({CHECKPOINT: str(checkpoint)} if kept else {})})

    def restore(self) -> Path | None:
        """Return a folder with the checkpoint to resume from, or None; it lasts as long as this context."""
        return self.files.fetch(self.resume_from) if self.resume_from is not None else None


RunTrial = Callable[[TrialSpec, WorkerContext], None]


def tell(error: Exception) -> None:
    """Report what is about to end the trial: its failure, a full disk and where, or a store that cannot be reached."""
    origin = error.origin if isinstance(error, GroupBroken) else error
    if is_full(origin):
        tune.report({DISK_FULL: f"on {socket.gethostname()}: {type(origin).__name__}: {origin}"})
    elif isinstance(origin, StoreLost):
        tune.report({STORE_LOST: str(origin)})
    else:
        broken = breakdown(error)
        tune.report({FAILURE: (broken.failure.value, broken.text)})


def run(order: WorkOrder, context: WorkerContext) -> None:
    """Run a trial in this process with the function that the order names."""
    if order.mps:
        from orchestrator.execution import mps  # imports what only a driver needs otherwise

        mps.connect()
    _fetch_weights(order)
    run_trial: RunTrial = pkgutil.resolve_name(order.run)
    run_trial(order.trial, context)


def _fetch_weights(order: WorkOrder) -> None:
    """Copy the weights that the driver has put into a study in an object storage to this machine."""
    path = Path(order.trial.model.weights or "")
    study = order.folder.parent.parent
    if order.remote is not None and path.parent == study and not path.exists():
        patiently(partial(Remote(order.remote).parent.pull, path.name, path))

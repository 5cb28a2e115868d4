"""Trials that several processes train together, started as processes of their own."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import distributed as dist

from tests.conftest import MemoryContext, computed
from trainables.context import Report, SaveCheckpoint
from trainables.spec import TrialSpec
from trainables.trial import run_trial


@dataclass
class GroupContext:
    """A context of one process of several: only the first one's keeps anything."""

    kept: MemoryContext
    silent: bool
    device: str = "cpu"
    cache: Path | None = None
    reports: list[Report] = field(default_factory=list)

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        self.reports.append(report)
        if not self.silent:
            self.kept.report(report, save)

    def restore(self) -> Path | None:
        return self.kept.resume_from


@contextmanager
def computing_in(dtype: torch.dtype) -> Iterator[None]:
    """Make networks and batches of a type: in float64 two ways to the same sums stay together, however many steps."""
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def run_together(
    specs: Mapping[str, TrialSpec],
    folder: Path,
    size: int,
    dtype: torch.dtype,
    resume: Mapping[str, Path] | None = None,
) -> None:
    """Run each trial in `size` processes together, its checkpoints below `folder`; `resume` names those to begin from.

    Raises AssertionError if a process ends with an error, or if reports differ between processes.
    """
    folder.mkdir(parents=True)
    start = get_context("spawn")
    processes = [
        start.Process(target=_run, args=(dict(specs), folder, rank, size, dtype, dict(resume or {})))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * size, "their errors are on stderr"


def _run(
    specs: Mapping[str, TrialSpec], folder: Path, rank: int, size: int, dtype: torch.dtype, resume: Mapping[str, Path]
) -> None:
    torch.set_num_threads(1)
    torch.set_default_dtype(dtype)
    store = dist.FileStore(str(folder / "rendezvous"), size)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    for name, spec in specs.items():
        context = GroupContext(MemoryContext(folder / name, resume.get(name)), silent=rank > 0)
        run_trial(spec, context)
        _require_alike(context.reports, size)
    dist.barrier()
    dist.destroy_process_group()
    sys.stderr.flush()
    os._exit(0)  # torch's threads and the end of Python do not always agree on who goes first


def _require_alike(reports: list[Report], size: int) -> None:
    told: list[object] = [None] * size
    dist.all_gather_object(
        told, [(one.epoch, one.accuracy, one.loss, one.train_loss, computed(one)) for one in reports]
    )
    assert all(one == told[0] for one in told), told

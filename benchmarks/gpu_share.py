"""Several trials on one GPU: what each gets of its memory, how fast all are together, with NVIDIA's MPS and without.

    python benchmarks/gpu_share.py [--processes 4] [--epochs 20] [--model resnet20]

It needs a GPU and this repository, no data set and no cluster. It has not been run on a GPU yet.

The first lines say at how much memory a process with a share of the GPU is refused more, and as which kind of failure
that is told. Then the same short trial runs alone, `--processes` times at once, and as often through MPS, where
`nvidia-cuda-mps-control` is installed. Images per second, memory and device use are those that trials report; beside
them stands what nvidia-smi says of the whole GPU, which is looked at once a second.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from orchestrator.execution import mps
from orchestrator.execution.trial_context import WorkerContext
from orchestrator.execution.worker import run_in_torch
from orchestrator.ledger.failures import breakdown
from orchestrator.store.trial_files import files_at
from trainables.context import Report, SaveCheckpoint, Usage
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec

MEBIBYTE = 2**20
PIECE = 64 * MEBIBYTE


@dataclass(frozen=True, kw_only=True)
class Here(WorkerContext):
    """A trial's context that keeps its reports."""

    reports: list[Report] = field(default_factory=list)

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - nothing is gone on from
        self.reports.append(report)


def fill_the_share(share: float) -> dict[str, object]:
    """Ask for memory, a piece at a time, until there is no more; return how much there was, and what was said."""
    torch.cuda.set_per_process_memory_fraction(share)
    total = torch.cuda.get_device_properties(0).total_memory
    pieces: list[Tensor] = []
    try:
        while len(pieces) * PIECE <= total:
            pieces.append(torch.empty(PIECE, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError as error:
        return {"share": share, "got": len(pieces) * PIECE / total, "failure": breakdown(error).failure.value}
    return {"share": share, "got": len(pieces) * PIECE / total, "failure": None}


def train(share: float, model: str, epochs: int, *, through_mps: bool) -> list[dict[str, float | None]]:
    """Run a trial with a share of the GPU, as a worker does; return what its epochs took, without the first."""
    if through_mps:
        mps.connect()
    spec = TrialSpec(
        data=DataSpec(name="digits"),
        model=ModelSpec(name=model),
        training=TrainingSpec(batch_size=128),
        paradigm="dense",
        epochs=epochs,
    )
    with tempfile.TemporaryDirectory() as folder:
        context = Here(
            files=files_at(Path(folder), None),
            folder=Path(folder),
            resume_from=None,
            device="cuda",
            cache=None,
            cpus=1,
            gpus=share,
        )
        run_in_torch(spec, context)
    used = [report.usage for report in context.reports if report.usage is not None]
    return [asdict(usage) for usage in used[1:]]


def together(processes: int, model: str, epochs: int, *, through_mps: bool = False) -> None:
    """Run so many trials at once, each in a process of its own, and print what they took."""
    share = 1 / processes
    command = [sys.executable, __file__, "--model", model, "--epochs", str(epochs), "--train", str(share)]
    command += ["--mps"] if through_mps else []
    with Smi() as smi:
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        printed = [process.communicate()[0] for process in running]
    failed = [process.returncode for process in running if process.returncode]
    if failed:
        sys.exit(f"{len(failed)} of {processes} trials failed")
    trials = [[Usage(**epoch) for epoch in json.loads(lines.splitlines()[-1])] for lines in printed]
    rates = [statistics.median(usage.images_per_second for usage in trial) for trial in trials]
    memory = max((usage.peak_memory or 0) / MEBIBYTE for trial in trials for usage in trial)
    uses = [usage.device_use for trial in trials for usage in trial if usage.device_use is not None]
    print(f"{processes} at once{', through MPS' if through_mps else ''}:")
    print(f"  images per second: {sum(rates):.0f} together, {', '.join(f'{rate:.0f}' for rate in rates)}")
    print(f"  most memory of a trial's tensors: {memory:.0f} MiB")
    print(f"  device use as trials see it: {statistics.mean(uses):.0%}" if uses else "  device use: no look in time")
    print(f"  device use as nvidia-smi sees it: {smi.use}", flush=True)


class Smi:
    """Asks nvidia-smi once a second how busy the GPU is."""

    def __init__(self) -> None:
        self._found: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Smi":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def use(self) -> str:
        """The mean of what was seen while the GPU did anything."""
        busy = [one for one in self._found if one > 0]
        return f"{statistics.mean(busy):.0f} %, {len(busy)} looks" if busy else "nothing seen"

    def _look(self) -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while shutil.which(query[0]) and not self._over.wait(1):
            said = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
            self._found += [float(said)] if said.isdigit() else []


def compare(processes: int, model: str, epochs: int) -> None:
    """Print everything."""
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {model}, {epochs} epochs of digits")
    for share in (0.1, 0.5):
        fill = [sys.executable, __file__, "--fill", str(share)]
        print("memory:", subprocess.run(fill, check=True, capture_output=True, text=True).stdout.strip(), flush=True)
    together(1, model, epochs)
    together(processes, model, epochs)
    keeper = mps.Keeper()
    refusal = keeper.start()
    if refusal is not None:
        print(f"MPS: this machine {refusal}")
        return
    try:
        together(processes, model, epochs, through_mps=True)
    finally:
        keeper.end()


def main() -> None:
    """Compare, or be one of the processes that are compared."""
    parser = argparse.ArgumentParser(description="Measure trials that share a GPU.")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--model", default="resnet20")
    parser.add_argument("--fill", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--train", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--mps", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("gpu_share: torch sees no GPU here")
    if chosen.fill is not None:
        print(json.dumps(fill_the_share(chosen.fill)))
    elif chosen.train is not None:
        print(json.dumps(train(chosen.train, chosen.model, chosen.epochs, through_mps=chosen.mps)))
    else:
        compare(chosen.processes, chosen.model, chosen.epochs)


if __name__ == "__main__":
    main()

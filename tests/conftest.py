"""What all tests share: one torch thread, and a context that keeps a trial's reports in memory."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from trainables.context import Report, SaveCheckpoint

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False  # else each of the hundreds of processes that tests start compiles the project again

LOW_PRIORITY = 18
"""Ray's workers and MLflow's writer yield to what has started them. Beside tests that compute they would get a few per
cent of a processor, were it not for this niceness, above which there is only 19."""

os.nice(max(0, LOW_PRIORITY - os.nice(0)))

pytest_plugins = ["tests.fixtures"]

settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")  # how long an example takes says nothing on a machine that is shared


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the scenarios first: each takes minutes, and the last test to start decides when a parallel run ends."""
    items.sort(key=lambda item: "scenarios" not in item.path.parts)


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def signals_as_at_a_terminal() -> None:
    """Processes inherit which signals are ignored: under `nohup`, or in a shell's background, those of tests would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@dataclass
class MemoryContext:
    """A context that collects reports and keeps each epoch's checkpoint in a folder of its own."""

    folder: Path
    resume_from: Path | None = None
    stop_after: int | None = None
    device: str = "cpu"
    cache: Path | None = None
    reports: list[Report] = field(default_factory=list)
    checkpoints: list[Path] = field(default_factory=list)

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        checkpoint = self.folder / f"{report.epoch:04d}"
        checkpoint.mkdir(parents=True, exist_ok=True)
        save(checkpoint)
        self.reports.append(report)
        self.checkpoints.append(checkpoint)
        if self.stop_after is not None and len(self.reports) == self.stop_after:
            raise Interrupted

    def restore(self) -> Path | None:
        return self.resume_from


def computed(report: Report) -> dict[str, float]:
    """Return what a trial measures alike whenever it is run: all but the time that it took."""
    return {name: value for name, value in report.metrics.items() if name != "train_seconds"}


class Interrupted(Exception):
    """The context ends the trial here, as a lost process would."""


@pytest.fixture
def context(tmp_path: Path) -> MemoryContext:
    return MemoryContext(tmp_path / "trial")

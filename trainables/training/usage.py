"""Measures what an epoch of training takes: images per second, memory, how busy the device is."""

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

import torch

from trainables.context import Usage

SECONDS_BETWEEN_LOOKS: Final = 0.05
"""How often the GPU is asked whether it has work."""

_STATUS: Final = Path("/proc/self/status")
_FORGET: Final = Path("/proc/self/clear_refs")
_FORGET_PEAK: Final = "5"


class Gauge(ABC):
    """Looks at the machine while its block runs; afterwards it knows the `usage`."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def usage(self, images: int, seconds: float) -> Usage:
        """Return what was seen while so many images were trained on in so many seconds."""


def gauge(device: str) -> Gauge:
    """Return what measures training on a device."""
    return _Gpu(device) if torch.device(device).type == "cuda" else _Processors()


class Looks:
    """Asks now and then, from a thread of its own, whether there is work; `share` is how often there was."""

    def __init__(self, busy: Callable[[], bool], *, every: float = SECONDS_BETWEEN_LOOKS) -> None:
        self._busy, self._every = busy, every
        self._over = threading.Event()
        self._looks = self._found_busy = 0
        self._thread = threading.Thread(target=self._look, name="usage", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    @property
    def share(self) -> float | None:
        """The share of looks that found work; None if there was no time for one."""
        return self._found_busy / self._looks if self._looks else None

    def _look(self) -> None:
        while not self._over.wait(self._every):
            self._found_busy += self._busy()
            self._looks += 1


class _Gpu(Gauge):
    """Asks the stream that the trial computes on: NVML would count all that share the GPU, and need not be there."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)

    def __enter__(self) -> Self:
        torch.cuda.reset_peak_memory_stats(self._device)
        stream = torch.cuda.current_stream(self._device)
        self._looks = Looks(lambda: not stream.query())
        self._looks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._looks.stop()
        self._peak = float(torch.cuda.max_memory_allocated(self._device))

    def usage(self, images: int, seconds: float) -> Usage:
        return Usage(images_per_second=images / seconds, peak_memory=self._peak, device_use=self._looks.share)


class _Processors(Gauge):
    def __enter__(self) -> Self:
        self._resettable = _forget_peak()
        self._begun, self._spent = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        could_have_had = (time.perf_counter() - self._begun) * torch.get_num_threads()
        self._use = (time.process_time() - self._spent) / could_have_had
        self._peak = _resident("VmHWM" if self._resettable else "VmRSS")

    def usage(self, images: int, seconds: float) -> Usage:
        return Usage(images_per_second=images / seconds, peak_memory=self._peak, device_use=self._use)


def _forget_peak() -> bool:
    """Reset the kernel's count of this process's peak; return whether it can."""
    try:
        _FORGET.write_text(_FORGET_PEAK)
    except OSError:
        return False
    return True


def _resident(which: str) -> float | None:
    """Return this process's resident memory in bytes: ``VmHWM``, its peak, or ``VmRSS``, that of now."""
    try:
        status = _STATUS.read_text()
    except OSError:
        return None
    line = re.search(rf"^{which}:\s*(\d+) kB$", status, re.MULTILINE)
    return 1024.0 * int(line[1]) if line else None

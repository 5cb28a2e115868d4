"""The contract of what records operations on a device: CUDA graphs on a GPU."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

Replay = Callable[[], None]
"""Does what was recorded, on the same tensors and what they hold now."""


class Recorder(ABC):
    """Records operations on a device."""

    @abstractmethod
    def warm_up(self, run: Callable[[], Result]) -> Result:
        """Run what will be recorded later, and return its result."""

    @abstractmethod
    def record(self, run: Callable[[], None]) -> Replay:
        """Record the operations of `run` without carrying them out; raises RuntimeError where that is impossible."""

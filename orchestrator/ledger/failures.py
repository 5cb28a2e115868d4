"""The kinds of failure that can end a trial, and which of them another attempt may fix."""

import errno
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.store.disk import chain
from trainables.errors import InfeasibleTrial, TrialError


class Failure(StrEnum):
    """The kinds of failure. LOST: the trial's process or node died; PREEMPTED: its node was taken away."""

    ERROR = "error"
    OUT_OF_MEMORY = "out of memory"
    LOST = "lost worker"
    PREEMPTED = "preempted"
    TIMEOUT = "time-out"
    INFEASIBLE = "infeasible"

    @property
    def may_be_mended(self) -> bool:
        """Whether another attempt may succeed. An error raised by the trial itself would be raised again."""
        return self in (Failure.LOST, Failure.PREEMPTED)


@dataclass(frozen=True)
class Breakdown:
    """The failure of one attempt at a trial, with a description."""

    failure: Failure
    text: str

    @property
    def reason(self) -> str:
        """The text, preceded by the kind of failure unless it is a plain error."""
        return self.text if self.failure is Failure.ERROR else f"{self.failure}: {self.text}"


class GroupBroken(TrialError, RuntimeError):
    """A trial cannot continue because another process of its group failed: `breakdown` says how, `origin` caused it."""

    def __init__(self, broken: Breakdown, origin: BaseException) -> None:
        super().__init__(broken.text)
        self.breakdown, self.origin = broken, origin


def breakdown(error: BaseException) -> Breakdown:
    """Return the failure described by an exception that a trial raised."""
    if isinstance(error, GroupBroken):
        return error.breakdown
    return Breakdown(_kind(error), f"{type(error).__name__}: {error}")


def _kind(error: BaseException) -> Failure:
    if isinstance(error, InfeasibleTrial):
        return Failure.INFEASIBLE
    return Failure.OUT_OF_MEMORY if any(map(_is_out_of_memory, chain(error))) else Failure.ERROR


_OUT_OF_MEMORY: Final = re.compile(r"out of memory|can't allocate memory|CU\w+_STATUS_ALLOC_FAILED", re.IGNORECASE)
"""Messages of torch's allocators, CUDA and its libraries if they raise no exception specific to a lack of memory."""


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))

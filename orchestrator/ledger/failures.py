"""What can end a trial against its will, and which of it another attempt may mend."""

import errno
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.store.disk import chain
from trainables.errors import InfeasibleTrial, TrialError


class Failure(StrEnum):
    """The kinds of failure. LOST is a process or node that died under a trial, PREEMPTED one that was taken away."""

    ERROR = "error"
    OUT_OF_MEMORY = "out of memory"
    LOST = "lost worker"
    PREEMPTED = "preempted"
    TIMEOUT = "time-out"
    INFEASIBLE = "infeasible"

    @property
    def may_be_mended(self) -> bool:
        """Whether another attempt may go better. What a trial itself raised, it would raise again."""
        return self in (Failure.LOST, Failure.PREEMPTED)


@dataclass(frozen=True)
class Breakdown:
    """The failure of one attempt at a trial, and what there is to say about it."""

    failure: Failure
    text: str

    @property
    def reason(self) -> str:
        """The text, beginning with the kind where the text does not say it."""
        return self.text if self.failure is Failure.ERROR else f"{self.failure}: {self.text}"


class GroupBroken(TrialError, RuntimeError):
    """A trial cannot continue because of another process of its group, to which `breakdown` happened, by `origin`."""

    def __init__(self, broken: Breakdown, origin: BaseException) -> None:
        super().__init__(broken.text)
        self.breakdown, self.origin = broken, origin


def breakdown(error: BaseException) -> Breakdown:
    """Return what an exception means that a trial has raised."""
    if isinstance(error, GroupBroken):
        return error.breakdown
    return Breakdown(_kind(error), f"{type(error).__name__}: {error}")


def _kind(error: BaseException) -> Failure:
    if isinstance(error, InfeasibleTrial):
        return Failure.INFEASIBLE
    return Failure.OUT_OF_MEMORY if any(map(_is_out_of_memory, chain(error))) else Failure.ERROR


_OUT_OF_MEMORY: Final = re.compile(r"out of memory|can't allocate memory|CU\w+_STATUS_ALLOC_FAILED", re.IGNORECASE)
"""How torch's allocators, CUDA and its libraries say it, where they have no exception of its own for it."""


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))

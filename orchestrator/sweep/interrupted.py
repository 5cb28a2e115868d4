"""The trials that were interrupted and wait to be handed out again: after pauses that grow with each loss."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.ledger.ledger import Unfinished

SHORTEST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds before a trial whose process was lost is restarted; doubled after each loss without progress."""


@dataclass(frozen=True)
class Waiting:
    """A trial that is to be handed out again once the clock reaches `until`."""

    trial: Unfinished
    until: float = -math.inf


@dataclass(frozen=True)
class Setbacks:
    """How often in a row a trial was lost without getting beyond the fidelity `reached`."""

    reached: float
    in_a_row: int

    @property
    def pause(self) -> float:
        """Seconds to wait before the next attempt."""
        return min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** (self.in_a_row - 1))


class Interrupted:
    """The interrupted trials in the order in which they were, and how often each was lost."""

    def __init__(self, trials: Iterable[Unfinished], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting = [Waiting(trial) for trial in trials]
        self._setbacks: dict[int, Setbacks] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, trial: Unfinished, pause: float = 0.0) -> None:
        """Have a trial wait for `pause` seconds."""
        self._waiting.append(Waiting(trial, until=self._clock() + pause))

    def take(self) -> Unfinished | None:
        """Take the first trial that need not wait any longer; None if there is none."""
        ready = next((one for one in self._waiting if one.until <= self._clock()), None)
        if ready is None:
            return None
        self._waiting.remove(ready)
        return ready.trial

    def set_back(self, number: int, reached: float) -> Setbacks:
        """Count a loss of a trial's process; the count restarts whenever the trial has `reached` more than before."""
        before = self._setbacks.get(number)
        if before is None or reached > before.reached:
            self._setbacks[number] = Setbacks(reached, 1)
        else:
            self._setbacks[number] = replace(before, in_a_row=before.in_a_row + 1)
        return self._setbacks[number]

    def forget(self, number: int) -> None:
        """Forget the losses of a trial that has ended."""
        self._setbacks.pop(number, None)

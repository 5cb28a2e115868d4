"""Which trials have said nothing for too long."""

import time
from collections.abc import Callable
from typing import Final

LONGEST_LOOK: Final = 5.0
"""Seconds between two looks; if more have passed, the driver itself was away, and heard nobody."""


class Watchdog:
    """Remembers when each trial was last heard of. Time in which nobody listened is not held against a trial."""

    def __init__(self, patience: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait for each trial for `patience` seconds, or, with None, for ever."""
        self._patience, self._clock = patience, clock
        self._heard: dict[str, float] = {}
        self._looked = clock()

    def hear(self, trial: str) -> None:
        """Note that a trial was heard of."""
        self._heard[trial] = self._clock()

    def forget(self, trial: str) -> None:
        """Expect nothing more of a trial."""
        self._heard.pop(trial, None)

    def overdue(self) -> list[str]:
        """Return the trials that were not heard of for too long. Call it often."""
        if self._patience is None:
            return []
        now = self._clock()
        if now - self._looked > LONGEST_LOOK:
            self._heard = dict.fromkeys(self._heard, now)
        self._looked = now
        return [trial for trial, heard in self._heard.items() if now - heard > self._patience]

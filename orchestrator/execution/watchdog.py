"""Which trials have not reported for too long."""

import time
from collections.abc import Callable
from typing import Final

LONGEST_LOOK: Final = 5.0
"""Seconds between two checks; if more have passed, the driver itself was suspended and could hear no trial."""


class Watchdog:
    """Remembers when each trial was last heard from. Time in which the driver did not listen does not count."""

    def __init__(self, patience: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Wait `patience` seconds for each trial; with None, wait for ever."""
        self._patience, self._clock = patience, clock
        self._heard: dict[str, float] = {}
        self._looked = clock()

    def hear(self, trial: str) -> None:
        """Note that a trial was heard from."""
        self._heard[trial] = self._clock()

    def forget(self, trial: str) -> None:
        """Stop waiting for a trial."""
        self._heard.pop(trial, None)

    def overdue(self) -> list[str]:
        """Return the trials that were not heard from for too long; call it at least every `LONGEST_LOOK` seconds."""
        if self._patience is None:
            return []
        now = self._clock()
        if now - self._looked > LONGEST_LOOK:
            self._heard = dict.fromkeys(self._heard, now)
        self._looked = now
        return [trial for trial, heard in self._heard.items() if now - heard > self._patience]

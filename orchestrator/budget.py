"""The time that a study may take: counted while a driver runs, over all its resumes."""

import time
from collections.abc import Callable

SECONDS_PER_HOUR = 3600


class WallTime:
    """The seconds for which a study has been running, those of earlier drivers included, and what it is allowed."""

    def __init__(
        self, hours: float | None = None, *, spent: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._allowed = hours * SECONDS_PER_HOUR if hours is not None else None
        self._before, self._clock = spent, clock
        self._begun = clock()

    @property
    def spent(self) -> float:
        """Seconds spent so far; downtime between drivers is not counted."""
        return self._before + self._clock() - self._begun

    @property
    def is_exhausted(self) -> bool:
        """Whether no new trial may be begun."""
        return self._allowed is not None and self.spent >= self._allowed

"""Which running trials MLflow shows next: each now and then, so that many trials or short epochs cost little."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.tracking.steps import Show

SECONDS_BETWEEN_SHOWINGS: Final = 10.0
"""How often a running trial is shown; one that finishes sooner is only written once it has finished."""

SHOWINGS_PER_SECOND: Final = 2.0
"""The most for all trials together: each takes MLflow some 30 ms."""


class RunningTrials:
    """The newest record of each running or paused trial, and when it is shown next."""

    def __init__(self, pause: float = SECONDS_BETWEEN_SHOWINGS, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause, self._clock = pause, clock
        self._next: dict[int, float] = {}
        self._waiting: dict[int, Show] = {}
        self._ended = False

    def note(self, record: TrialRecord) -> None:
        """Keep a trial's record, as it is now, until it is shown; after `end` none is."""
        if self._ended:
            return
        self._next.setdefault(record.trial, self._clock() + self._pause)
        self._waiting[record.trial] = Show(record, datetime.now(UTC))

    def forget(self, trial: int) -> None:
        """Show a trial no more: it has finished."""
        self._next.pop(trial, None)
        self._waiting.pop(trial, None)

    def end(self) -> None:
        """Show no trial any more: their runs end with the study, and one that came after its end would stay RUNNING."""
        self._ended = True
        self._next.clear()
        self._waiting.clear()

    def due(self) -> Iterator[Show]:
        """Yield the trials that are to be shown now and have changed since they were last shown."""
        now = self._clock()
        pause = max(self._pause, len(self._next) / SHOWINGS_PER_SECOND if self._pause else 0.0)
        for trial in [trial for trial in self._waiting if self._next[trial] <= now]:
            self._next[trial] = now + pause
            yield self._waiting.pop(trial)

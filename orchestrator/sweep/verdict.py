"""What the sweep decides about a trial after a report."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Decision(StrEnum):
    """What a trial does next. A paused trial gives up its workers, and may continue later from its checkpoint."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True)
class Verdict:
    """A decision, with the reason if it ends or pauses the trial."""

    decision: Decision
    reason: str = ""

    @property
    def continues(self) -> bool:
        """Whether the trial continues."""
        return self.decision is Decision.CONTINUE


CONTINUE: Final = Verdict(Decision.CONTINUE)

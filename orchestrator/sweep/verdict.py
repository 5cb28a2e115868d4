"""What the sweep decides of a trial after a report."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Decision(StrEnum):
    """What a trial does next. One that pauses ends for now, and may be continued from its checkpoint."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True)
class Verdict:
    """A decision, and the reason for one that ends the trial."""

    decision: Decision
    reason: str = ""

    @property
    def continues(self) -> bool:
        """Whether the trial runs on."""
        return self.decision is Decision.CONTINUE


CONTINUE: Final = Verdict(Decision.CONTINUE)

"""Which layers of a trial's network are worth their MACs, as values."""

from dataclasses import dataclass

from orchestrator.ledger.records import TrialRecord
from trainables.group_use import GroupUse


@dataclass(frozen=True)
class Diagnosis:
    """How the network of a trial uses its groups of channels, probed on so many validation images."""

    record: TrialRecord
    images: int
    groups: tuple[GroupUse, ...]

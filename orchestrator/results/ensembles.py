"""Ensembles of a study's networks, by the networks among which their members were chosen."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from orchestrator.ledger.records import TrialRecord
from trainables.metrics import AT

ALL: Final = "deep_ensemble"
"""What columns of ensembles of any of a study's networks are called by, as ``nll@deep_ensemble``."""

CHOSEN_FROM: Final[Mapping[str, str]] = {
    ALL: "of all networks",
    f"{ALL}_front": "of the front",
    f"{ALL}_trials": "of named trials",
}
"""What is said of each such name."""


def name_of(trials: Collection[int], front: bool) -> str:
    """Return what columns are called by if members are chosen among `trials`, or those of the front, or all."""
    return f"{ALL}_trials" if trials else f"{ALL}_front" if front else ALL


def ensembles(records: Sequence[TrialRecord]) -> Iterator[tuple[TrialRecord, list[str]]]:
    """Yield the trials for whose MACs ensembles were found, each with the names of their columns."""
    for record in records:
        names = [name for name in CHOSEN_FROM if f"members{AT}{name}" in record.metrics]
        if names:
            yield record, names

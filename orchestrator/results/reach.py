"""How good each paradigm's networks are within shares of the dense network's cost: its own front, in steps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.reference import share_of_dense
from orchestrator.results.trials import Trials
from orchestrator.spec.quality import Quality, quality_of
from trainables.metrics import dense_twin

SHARES: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
"""The shares of the dense network's cost that are told apart."""


@dataclass(frozen=True)
class Reach:
    """The best trial of a paradigm within each of `SHARES`; None where none is so small.

    `leads` are the places of those that no other paradigm's best is better than.
    """

    paradigm: str
    best: tuple[TrialRecord | None, ...]
    leads: frozenset[int]


def cost_of(objectives: Iterable[str]) -> str:
    """Return the cost by which paradigms are compared: the first objective that is a share of the dense network's."""
    return next((name for name in objectives if dense_twin(name)), "macs")


def reaches(trials: Trials) -> list[Reach]:
    """Return what each paradigm reaches by the quality that selects, in the order of their names; of eligible trials.

    Paradigms none of whose eligible trials costs at most what the dense network does are left out.
    """
    quality, cost = quality_of(trials.objectives), cost_of(trials.objectives)
    measured = (record for record in trials.eligible if {quality.metric, cost} <= record.metrics.keys())
    ordered = sorted(measured, key=lambda record: (record.paradigm, record.trial))
    own = {name: list(of) for name, of in groupby(ordered, key=lambda record: record.paradigm)}
    best = {name: _steps(of, cost, quality, trials.reference) for name, of in own.items()}
    leading = [_least_loss([of[place] for of in best.values()], quality) for place in range(len(SHARES))]
    return [Reach(name, of, _leads(of, leading, quality)) for name, of in best.items() if any(of)]


def _steps(
    records: Sequence[TrialRecord], cost: str, quality: Quality, reference: TrialRecord | None
) -> tuple[TrialRecord | None, ...]:
    return tuple(_best(records, cost, share, quality, reference) for share in SHARES)


def _best(
    records: Sequence[TrialRecord], cost: str, most: float, quality: Quality, reference: TrialRecord | None
) -> TrialRecord | None:
    shares = ((record, share_of_dense(cost, record.metrics, reference)) for record in records)
    within = [record for record, share in shares if share is not None and share <= most]
    return min(within, key=lambda record: (quality.loss(record.metrics), record.metrics[cost]), default=None)


def _least_loss(records: Sequence[TrialRecord | None], quality: Quality) -> float | None:
    return min((quality.loss(record.metrics) for record in records if record is not None), default=None)


def _leads(best: Sequence[TrialRecord | None], leading: Sequence[float | None], quality: Quality) -> frozenset[int]:
    pairs = enumerate(zip(best, leading, strict=True))
    return frozenset(place for place, (one, least) in pairs if one is not None and quality.loss(one.metrics) == least)

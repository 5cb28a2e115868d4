"""The columns of a study's table that can be sorted and filtered as they are: one per metric and hyper-parameter."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

import pyarrow as pa

from orchestrator.ledger.records import TrialRecord

LARGEST: Final = 2**53
"""Up to here a double holds every whole number."""

_ARROW_TYPES: Final[Sequence[tuple[set[type], pa.DataType]]] = (
    ({bool}, pa.bool_()),
    ({int}, pa.int64()),
    ({str}, pa.string()),
    ({int, float}, pa.float64()),
)


def flat_columns(records: Sequence[TrialRecord], front: Collection[int]) -> dict[str, pa.Array]:
    """Return `on_front`, then ``metrics.<name>`` and ``hyperparameters.<name>``: a value per record, missing or not.

    A hyper-parameter is a number, a truth value or a text if it is one in all trials that have it, otherwise JSON.
    """
    metrics = dict.fromkeys(name for record in records for name in record.metrics)
    chosen = dict.fromkeys(name for record in records for name in record.params)
    return {
        "on_front": pa.array([record.trial in front for record in records], pa.bool_()),
        **{f"metrics.{n}": pa.array([record.metrics.get(n) for record in records], pa.float64()) for n in metrics},
        **{f"hyperparameters.{n}": _column([record.params.get(n) for record in records]) for n in chosen},
    }


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if all(abs(value) <= LARGEST for value in values if type(value) is int):
        for alike, arrow in _ARROW_TYPES:
            if kinds <= alike:
                return pa.array(values, arrow)
    return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())

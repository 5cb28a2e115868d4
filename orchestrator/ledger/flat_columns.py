"""The columns of a study's table that can be sorted and filtered as they are: one per metric and hyper-parameter."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.standings import MeanStandings, Standings

LARGEST: Final = 2**53
"""Up to here a double holds every whole number."""

_ARROW_TYPES: Final[Sequence[tuple[set[type], pa.DataType]]] = (
    ({bool}, pa.bool_()),
    ({int}, pa.int64()),
    ({str}, pa.string()),
    ({int, float}, pa.float64()),
)


def flat_columns(records: Sequence[TrialRecord], standings: Standings) -> dict[str, pa.Array]:
    """Return `on_front`, then ``metrics.<name>`` and ``hyperparameters.<name>``: a value per record, missing or not.

    Where the study asks for several seeds, what `MeanStandings` says of a trial comes before the metrics.
    A hyper-parameter is a number, a truth value or a text if it is one in all trials that have it, otherwise JSON.
    """
    metrics = dict.fromkeys(name for record in records for name in record.metrics)
    chosen = dict.fromkeys(name for record in records for name in record.params)
    return {
        "on_front": pa.array([record.trial in standings.members for record in records], pa.bool_()),
        **(dict(_means(records, standings.by_mean)) if standings.by_mean else {}),
        **{f"metrics.{n}": pa.array([record.metrics.get(n) for record in records], pa.float64()) for n in metrics},
        **{f"hyperparameters.{n}": _column([record.params.get(n) for record in records]) for n in chosen},
    }


def _means(records: Sequence[TrialRecord], by_mean: MeanStandings) -> Iterator[tuple[str, pa.Array]]:
    first = [by_mean.first.get(record.trial) for record in records]
    means = [{} if trial is None else by_mean.means[trial] for trial in first]
    single = [record.trial in by_mean.single for record in records]
    yield "on_front_of_single_trials", pa.array(single, pa.bool_())
    yield "configuration", pa.array(first, pa.int64())
    yield "seeds", pa.array([None if trial is None else by_mean.seeds[trial] for trial in first], pa.int64())
    for name in dict.fromkeys(name for of_trial in means for name in of_trial):
        yield f"means.{name}", pa.array([of_trial.get(name) for of_trial in means], pa.float64())


def _column(values: Sequence[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if all(abs(value) <= LARGEST for value in values if type(value) is int):
        for alike, arrow in _ARROW_TYPES:
            if kinds <= alike:
                return pa.array(values, arrow)
    return pa.array([None if value is None else json.dumps(value) for value in values], pa.string())

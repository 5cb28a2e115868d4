"""Columns of the table that need no key."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from orchestrator.ledger.flat_columns import LARGEST, flat_columns
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.standings import NOWHERE, MeanStandings, Standings
from orchestrator.ledger.trials_table import write_table

FIRST = TrialRecord(
    study="digits",
    trial=0,
    paradigm="magnitude",
    state=State.COMPLETE,
    seed=7,
    params={"sparsity": 0.8},
    metrics={"accuracy": 0.97, "macs": 1e5},
)
SECOND = replace(FIRST, trial=1, paradigm="rigl", params={"updates": 100}, metrics={"accuracy": 0.98})


def test_in_pandas_a_front_is_filtered_and_sorted_without_unpacking_anything(tmp_path: Path) -> None:
    write_table([FIRST, SECOND], tmp_path / "trials.parquet", Standings(frozenset({1})))
    table = pd.read_parquet(tmp_path / "trials.parquet")
    assert table[table.on_front]["metrics.accuracy"].tolist() == [0.98]
    assert table.sort_values("metrics.accuracy")["hyperparameters.sparsity"].dropna().tolist() == [0.8]
    assert pd.isna(table["metrics.macs"][1])


@pytest.mark.parametrize(
    ("values", "arrow", "read"),
    [
        ([True, None, False], pa.bool_(), [True, None, False]),
        ([1, 2, None], pa.int64(), [1, 2, None]),
        ([1, 0.5, None], pa.float64(), [1.0, 0.5, None]),
        (["a", None, "b"], pa.string(), ["a", None, "b"]),
        ([True, 1, None], pa.string(), ["true", "1", None]),
        (["a", 1, None], pa.string(), ['"a"', "1", None]),
        ([LARGEST + 1, 0.5, None], pa.string(), [str(LARGEST + 1), "0.5", None]),
    ],
)
def test_a_hyper_parameter_has_the_type_that_holds_all_of_its_values(
    values: list[Any], arrow: pa.DataType, read: list[Any]
) -> None:
    records = [replace(FIRST, trial=n, params={} if v is None else {"x": v}) for n, v in enumerate(values)]
    column = flat_columns(records, NOWHERE)["hyperparameters.x"]
    assert column.type == arrow
    assert column.to_pylist() == read


def test_where_a_study_asks_for_seeds_the_front_is_that_of_the_means_and_pandas_needs_no_grouping(
    tmp_path: Path,
) -> None:
    again = replace(FIRST, trial=2, seed=8, metrics={"accuracy": 0.99, "macs": 1e5})
    failed = replace(FIRST, trial=3, state=State.FAIL, metrics={})
    by_mean = MeanStandings(
        single=frozenset({1, 2}),
        first={0: 0, 1: 1, 2: 0},
        means={0: {"accuracy": 0.98, "macs": 1e5}, 1: {"accuracy": 0.97}},
        seeds={0: 2, 1: 1},
    )
    trials = [FIRST, SECOND, again, failed]
    write_table(trials, tmp_path / "trials.parquet", Standings(frozenset({0, 1}), by_mean))
    table = pd.read_parquet(tmp_path / "trials.parquet")
    small = table[table.on_front & (table["means.macs"] < 4e5)]
    assert small[["trial", "seeds", "means.accuracy"]].to_numpy().tolist() == [[0, 2, 0.98]]
    assert table[table.on_front_of_single_trials].trial.tolist() == [1, 2]
    assert table.groupby("configuration")["metrics.accuracy"].mean().to_dict() == {0: 0.98, 1: 0.98}
    assert pd.isna(table["configuration"][3])

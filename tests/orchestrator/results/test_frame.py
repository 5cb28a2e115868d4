"""Trials as a table: no column says two things."""

from pathlib import Path

import pytest

from orchestrator.results.frame import front, trials
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import a_study
from trainables.errors import InvalidValue


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store")
    a_study(place)
    return place


def test_there_is_one_column_per_hyper_parameter_and_metric(store: Path) -> None:
    table = trials(store, "small")
    assert list(table.index) == [0, 1, 2, 3, 4, 5]
    assert table.columns.is_unique
    assert {"paradigm", "accuracy", "macs", "hyperparameters.sparsity", "hyperparameters.granularity"} <= set(table)
    assert table["hyperparameters.sparsity"].isna().sum() == (table["paradigm"] == "dense").sum()
    assert table["accuracy"].notna().equals(table["state"] == "COMPLETE")


def test_the_front_is_the_best_first(store: Path) -> None:
    table = front(Store(store), "small")
    assert len(table)
    assert table["accuracy"].is_monotonic_decreasing
    assert set(table["state"]) == {"COMPLETE"}


def test_the_front_by_the_mean_has_a_row_for_each_configuration(tmp_path: Path) -> None:
    spec = small.study(trials=6, search={"seeds": 2})
    with small.launched(spec, tmp_path) as ledger:
        small.run_all(Sweep(ledger, small.Silence()))
    table = front(tmp_path, "small", by_mean=True)
    assert list(table["seeds"]) == [2, 2, 2]
    assert list(table.columns[:6]) == [
        *("paradigm", "seeds", "may_be_dominated_by", "accuracy", "accuracy.low", "accuracy.high")
    ]
    assert table["accuracy"].is_monotonic_decreasing
    assert table["accuracy.low"].equals(table["accuracy"])  # the seeds of a toy trial change nothing
    assert "hyperparameters.sparsity" in table


def test_an_unknown_study_is_refused(store: Path) -> None:
    with pytest.raises(InvalidValue, match="did you mean 'small'"):
        front(str(store), "smal")

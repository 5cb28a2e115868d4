import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.trials_table import read_table, schema, write_table
from tests.orchestrator.drawn import arbitrary_records
from tests.orchestrator.epochs import an_epoch

RECORD = TrialRecord(
    study="digits",
    trial=3,
    paradigm="magnitude",
    state=State.COMPLETE,
    seed=7,
    params={"sparsity": 0.8, "granularity": "filter", "rounds": 3, "stream": False},
    fidelity=1.0,
    metrics={"accuracy": 0.97, "macs": 1e5},
    curve=(an_epoch(1, accuracy=0.9), an_epoch(2, accuracy=0.97, stage="finetune", train_loss=None)),
)


@given(st.lists(arbitrary_records(), max_size=4, unique_by=lambda record: (record.study, record.trial)))
def test_reading_a_table_returns_the_records_that_were_written(records: list[TrialRecord]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trials.parquet"
        write_table(records, path)
        assert read_table(path) == sorted(records, key=lambda record: (record.study, record.trial))


def test_hyper_parameters_keep_their_types(tmp_path: Path) -> None:
    write_table([RECORD], tmp_path / "t.parquet")
    values = read_table(tmp_path / "t.parquet")[0].params.values()
    assert [type(value) for value in values] == [float, str, int, bool]


def test_a_file_holds_the_documented_schema_even_without_trials(tmp_path: Path) -> None:
    write_table([], tmp_path / "t.parquet")
    written = parquet.read_schema(tmp_path / "t.parquet")
    assert written.remove(written.get_field_index("on_front")).equals(schema())
    assert all(written.field(name).metadata[b"doc"] for name in schema().names)


def test_a_metric_and_a_hyper_parameter_can_be_asked_for_by_name(tmp_path: Path) -> None:
    write_table([RECORD], tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    accuracy = pc.map_lookup(table["metrics"], "accuracy", "first")
    granularity = pc.map_lookup(table["hyperparameters"], "granularity", "first")
    assert accuracy.to_pylist() == [0.97]
    assert [json.loads(value) for value in granularity.to_pylist()] == ["filter"]


def test_a_time_in_another_zone_is_the_same_moment_when_read(tmp_path: Path) -> None:
    started = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    write_table(
        [TrialRecord(study="s", trial=0, paradigm="dense", state=State.RUNNING, seed=0, started=started)],
        tmp_path / "t",
    )
    assert read_table(tmp_path / "t")[0].started == started


def test_a_time_without_a_zone_is_local(tmp_path: Path) -> None:
    started = datetime(2026, 3, 1, 12)
    write_table(
        [TrialRecord(study="s", trial=0, paradigm="dense", state=State.RUNNING, seed=0, started=started)],
        tmp_path / "t",
    )
    assert read_table(tmp_path / "t")[0].started == started.astimezone()


def test_a_failed_write_leaves_the_old_table_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table([RECORD], path)
    broken = replace(RECORD, metrics={"accuracy": "high"})  # type: ignore[dict-item]
    with pytest.raises(pa.ArrowInvalid, match="high"):
        write_table([broken], path)
    assert read_table(path) == [RECORD]
    assert list(tmp_path.iterdir()) == [path]

"""The Parquet table of a study, with a row for each record."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.ledger.epoch import EPOCH_FIELDS, QUALITIES, Epoch
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord, as_row
from orchestrator.ledger.standings import NOWHERE, Standings

if TYPE_CHECKING:
    import pyarrow as pa

HYPERPARAMETERS: Final = "hyperparameters"
"""The column with a trial's hyper-parameters; `params` is the number of parameters wherever results are shown."""


def schema() -> "pa.Schema":
    """Return the columns of the table, each documented in its field's metadata under ``doc``.

    The plain columns are stable. `hyperparameters` maps names to JSON, because they differ in type between paradigms
    (DuckDB: ``hyperparameters['sparsity']::DOUBLE``); `metrics` maps names to doubles (``metrics['accuracy']``);
    `curve` is a list of one struct per epoch (``unnest(curve)``). After these come `flat_columns`.
    """
    import pyarrow as pa  # importing it doubles the time of a command that reads no table

    utc, plain = pa.timestamp("us", tz="UTC"), {int: pa.int64(), float: pa.float64(), str: pa.string()}
    of_task = (QUALITIES, pa.map_(pa.string(), pa.float64()))
    epoch = pa.struct([*((name, plain[kind]) for name, kind in EPOCH_FIELDS.items()), of_task])
    columns = [
        ("study", pa.string(), False, "name of the study"),
        ("trial", pa.int64(), False, "number of the trial in the study, from 0"),
        ("paradigm", pa.string(), False, "name of the paradigm"),
        ("state", pa.string(), False, "RUNNING, PAUSED, COMPLETE, PRUNED (stopped early) or FAIL"),
        ("reason", pa.string(), True, "why a trial is paused, was stopped or failed"),
        ("failure", pa.string(), True, f"the kind of failure of a FAIL trial: {', '.join(Failure)}"),
        ("feasible", pa.bool_(), False, "whether a COMPLETE trial satisfies the study's constraints"),
        ("fidelity", pa.float64(), False, "share of the training budget that was spent, in [0, 1]"),
        ("share", pa.float64(), False, "share of the study's epochs that the trial was given; below 1 if raised since"),
        ("seed", pa.int64(), False, "seed of weights, batches and augmentation"),
        ("attempts", pa.int64(), False, "how often the trial was started; continuing after a pause does not count"),
        ("attempts_failed", pa.int64(), False, "attempts that failed because of the trial itself"),
        ("attempts_lost", pa.int64(), False, "attempts whose process or node was lost or preempted"),
        ("pauses", pa.int64(), False, "how often the trial was paused at a rung"),
        ("damaged_checkpoints", pa.int64(), False, "checkpoints that were unusable"),
        ("seconds", pa.float64(), False, "training time over all attempts"),
        ("started", utc, True, "start of the first attempt"),
        ("finished", utc, True, "end of the last attempt"),
        (HYPERPARAMETERS, pa.map_(pa.string(), pa.string()), False, "as JSON, by name"),
        ("sampler", pa.string(), True, "sampler that chose the hyper-parameters; else fixed, again, or replicate"),
        ("metrics", pa.map_(pa.string(), pa.float64()), False, "measurements of the final network; only if COMPLETE"),
        (
            "curve",
            pa.list_(epoch),
            False,
            "one report per epoch; accuracy and loss on the validation split; bytes of memory",
        ),
    ]
    return pa.schema([pa.field(name, kind, null, {"doc": doc}) for name, kind, null, doc in columns])


def _columns(record: TrialRecord) -> dict[str, Any]:
    row = as_row(record)
    return {HYPERPARAMETERS: row.pop("params"), **row}


def write_table(records: Iterable[TrialRecord], path: Path, standings: Standings = NOWHERE) -> None:
    """Write the records, by trial number, to a Parquet file, atomically: readers see the old file or the new one.

    `standings` say which trials are on the study's front.
    """
    from pyarrow import parquet

    draft = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.unlink(missing_ok=True)  # it may be a link, which would be followed
    try:
        parquet.write_table(_table(sorted(records, key=lambda record: (record.study, record.trial)), standings), draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _table(records: Sequence[TrialRecord], standings: Standings) -> "pa.Table":
    import pyarrow as pa

    from orchestrator.ledger.flat_columns import flat_columns  # imports pyarrow

    table = pa.Table.from_pylist([_columns(record) for record in records], schema=schema())
    for name, column in flat_columns(records, standings).items():
        table = table.append_column(name, column)
    return table


def read_table(path: Path) -> list[TrialRecord]:
    """Return the records that `write_table` wrote, unchanged except that times without a zone have become UTC."""
    from pyarrow import parquet

    known = [*schema().names, "params"]
    written = parquet.read_table(path, partitioning=None)
    rows = written.select([name for name in written.column_names if name in known])
    return [_from_row(row) for row in rows.to_pylist(maps_as_pydicts="strict")]


def _from_row(row: dict[str, Any]) -> TrialRecord:
    written = row.pop(HYPERPARAMETERS if HYPERPARAMETERS in row else "params")  # the name in earlier versions
    params = {name: json.loads(value) for name, value in written.items()}
    curve = tuple(Epoch.from_dict(epoch) for epoch in row["curve"])
    failure = Failure(row["failure"]) if row.get("failure") else None
    parsed = {"state": State(row["state"]), "failure": failure, "params": params, "curve": curve}
    return TrialRecord(**{**row, **parsed})

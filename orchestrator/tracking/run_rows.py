"""Finished runs, written into an MLflow database many at a time.

MLflow has no call for several runs: a finished one takes three calls, which open a dozen sessions and read back what
they wrote, 40 ms of processor time. The tables of its SQL database are the interface that all of MLflow's own programs
share, so here a batch of runs is one transaction of plain inserts, through SQLAlchemy. `RunRows.of` first compares each
table's columns with those listed below: a database that differs in any is left to MLflow's own calls.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final, Self
from uuid import uuid4

from mlflow.entities import Metric, Param
from sqlalchemy import Engine, MetaData, bindparam, create_engine, delete, insert, update
from sqlalchemy.exc import InvalidRequestError

_TEXTS: Final = frozenset({"run_uuid", "key", "value"})
_NUMBERS: Final = _TEXTS | {"timestamp", "step", "is_nan"}
_RUN: Final = {"run_uuid", "name", "user_id", "status", "experiment_id", "artifact_uri", "lifecycle_stage"}
_TIMES: Final = {"start_time", "end_time", "deleted_time"}
_SOURCE: Final = {"source_type", "source_name", "source_version", "entry_point_name"}
COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    "runs": frozenset(_RUN | _TIMES | _SOURCE),
    "tags": _TEXTS,
    "params": _TEXTS,
    "metrics": _NUMBERS,
    "latest_metrics": _NUMBERS,
}
"""The tables of a run in MLflow 3.17, in the order in which they are written."""

LONGEST_PARAM: Final = 6000
"""In characters; MLflow shortens longer values, with a warning."""

Row = dict[str, str | int | float | bool | None]


@dataclass(frozen=True, kw_only=True)
class RunContents:
    """What a run holds in MLflow, or is to get. Times are milliseconds since 1970."""

    experiment: str
    name: str
    status: str
    start_time: int
    end_time: int | None
    tags: Mapping[str, str]
    params: Sequence[Param]
    metrics: Sequence[Metric]

    @property
    def is_plain(self) -> bool:
        """Whether every value is stored unchanged: MLflow rewrites infinite numbers and shortens long texts."""
        numbers = all(isfinite(metric.value) for metric in self.metrics)
        return numbers and all(len(param.value) <= LONGEST_PARAM for param in self.params)


@dataclass(frozen=True)
class TagChange:
    """A tag that a run gets, with its value; None if it is removed."""

    run: str
    tag: str
    value: str | None


class RunRows:
    """The tables of one SQLite database in which MLflow keeps runs."""

    def __init__(self, engine: Engine, tables: MetaData) -> None:
        self._engine, self._tables = engine, tables

    @classmethod
    def of(cls, uri: str) -> Self | None:
        """Return the tables of a database; None for a server, or if a table is not as expected."""
        if not uri.startswith("sqlite:"):
            return None
        engine, tables = create_engine(uri), MetaData()
        try:
            tables.reflect(engine, only=list(COLUMNS))
        except InvalidRequestError:  # a table does not exist
            return None
        columns = {name: frozenset(tables.tables[name].columns.keys()) for name in COLUMNS}
        return cls(engine, tables) if columns == COLUMNS else None

    def write(self, runs: Sequence[RunContents], artifacts: Callable[[str], str]) -> list[str]:
        """Write all runs, or none, and return their ids; `artifacts` gives a run's artifact URI by its id."""
        ids = [uuid4().hex for _ in runs]
        identified = list(zip(ids, runs, strict=True))
        latest = ((run_id, replace(run, metrics=_latest(run.metrics))) for run_id, run in identified)
        rows: dict[str, Iterable[Row]] = {
            "runs": (_run_row(run_id, run, artifacts(run_id)) for run_id, run in identified),
            "tags": (row for run_id, run in identified for row in _tag_rows(run_id, run)),
            "params": (_text_row(run_id, param.key, param.value) for run_id, run in identified for param in run.params),
            "metrics": (row for run_id, run in identified for row in _metric_rows(run_id, run)),
            "latest_metrics": (row for run_id, run in latest for row in _metric_rows(run_id, run)),
        }
        with self._engine.begin() as connection:
            for table in COLUMNS:
                if batch := list(rows[table]):
                    connection.execute(insert(self._tables.tables[table]), batch)
        return ids

    def mark(self, changes: Sequence[TagChange]) -> None:
        """Set and remove tags of runs; all of it or nothing."""
        tags = self._tables.tables["tags"]
        changed = (tags.c.key == bindparam("tag")) & (tags.c.run_uuid == bindparam("run"))
        with self._engine.begin() as connection:
            if changes:
                connection.execute(delete(tags).where(changed), [{"run": one.run, "tag": one.tag} for one in changes])
            if marked := [_text_row(one.run, one.tag, one.value) for one in changes if one.value is not None]:
                connection.execute(insert(tags), marked)

    def forget(self, run: str, metrics: Sequence[str]) -> None:
        """Remove metrics of a run, with their history; all of them or nothing."""
        with self._engine.begin() as connection:
            for table in (self._tables.tables[name] for name in ("metrics", "latest_metrics")):
                connection.execute(delete(table).where((table.c.run_uuid == run) & table.c.key.in_(metrics)))

    def begin_at(self, run: str, begin: int) -> None:
        """Let a run that was created later begin at that time."""
        runs = self._tables.tables["runs"]
        later = (runs.c.run_uuid == run) & (runs.c.start_time > begin)
        with self._engine.begin() as connection:
            connection.execute(update(runs).where(later).values(start_time=begin))

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _run_row(run_id: str, run: RunContents, artifacts: str) -> Row:
    return {
        "run_uuid": run_id,
        "name": run.name,
        "source_type": "UNKNOWN",
        "source_name": "",
        "entry_point_name": "",
        "user_id": "unknown",
        "status": run.status,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "deleted_time": None,
        "source_version": "",
        "lifecycle_stage": "active",
        "artifact_uri": artifacts,
        "experiment_id": int(run.experiment),
    }


def _tag_rows(run_id: str, run: RunContents) -> Iterator[Row]:
    for key, value in (*run.tags.items(), ("mlflow.runName", run.name)):
        yield _text_row(run_id, key, value)


def _text_row(run_id: str, key: str, value: str) -> Row:
    return {"run_uuid": run_id, "key": key, "value": value}


def _metric_rows(run_id: str, run: RunContents) -> Iterator[Row]:
    for metric in dict.fromkeys(run.metrics):
        place = {"timestamp": metric.timestamp, "step": metric.step}
        yield {"run_uuid": run_id, "key": metric.key, "value": metric.value, **place, "is_nan": False}


def _latest(metrics: Iterable[Metric]) -> list[Metric]:
    """Return the value of each metric that MLflow shows: that of the last step."""
    ordered = sorted(metrics, key=lambda metric: (metric.step, metric.timestamp, metric.value))
    return list({metric.key: metric for metric in ordered}.values())

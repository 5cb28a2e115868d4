"""A study's runs as its database holds them, for tests of what is written to MLflow."""

import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.tracking.database import Database
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES

if TYPE_CHECKING:
    from orchestrator.tracking.runs import StudyRuns


@contextmanager
def mlflow_may_warn() -> Iterator[None]:
    """MLflow's database models use what SQLAlchemy deprecates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def open_runs(study: TrackedStudy) -> "StudyRuns":
    from orchestrator.tracking.runs import StudyRuns

    study.artifacts.mkdir(exist_ok=True)
    with mlflow_may_warn():
        return StudyRuns(study)


def runs(study: TrackedStudy, where: str = "tags.level = 'trial'") -> list[Any]:
    from mlflow import MlflowClient

    with mlflow_may_warn():
        client = MlflowClient(study.uri)
        experiments = [found.experiment_id for found in client.search_experiments() if found.name == study.name]
        return sorted(client.search_runs(experiments, where), key=lambda run: str(run.info.run_name))


def trials(found: list[Any]) -> list[int]:
    return [int(run.data.tags["trial"]) for run in found]


def parent(study: TrackedStudy) -> Any:
    (only,) = runs(study, "tags.level = 'study'")
    return only


def artifact(study: TrackedStudy, name: str) -> Path:
    return study.artifacts / study.name / str(parent(study).info.run_id) / "artifacts" / name


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return sorted(connection.execute(query))


def database_in(store: Path) -> Database:
    return Database(store / "mlflow.db", store / "mlflow-artifacts")


def study_in(store: Path) -> TrackedStudy:
    database = database_in(store)
    return TrackedStudy(uri=database.uri, artifacts=database.artifacts, name="example", tags={}, objectives=OBJECTIVES)

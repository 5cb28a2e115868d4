"""An MLflow database of its own for each test."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES
from tests.orchestrator.mlflow_runs import mlflow_may_warn

TAGS = {"git_commit": "c0ffee", "data_hash": "0123"}


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has had its migrations, which take more than a second."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with mlflow_may_warn():
        from mlflow import MlflowClient

        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Path:
    """A copy, with what lies in the write-ahead log alone."""
    with closing(sqlite3.connect(empty_database)) as source, closing(sqlite3.connect(tmp_path / "mlflow.db")) as copy:
        source.backup(copy)
    return tmp_path / "mlflow.db"


@pytest.fixture
def study(tmp_path: Path, database: Path) -> TrackedStudy:
    return TrackedStudy(
        uri=f"sqlite:///{database}", artifacts=tmp_path / "a", name="example", tags=TAGS, objectives=OBJECTIVES
    )

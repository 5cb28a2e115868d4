"""A store's MLflow pages, served on this machine."""

import subprocess
import sys
from importlib.metadata import version
from typing import Final

from orchestrator.store.store import Store
from orchestrator.tracking import writer_process
from orchestrator.tracking.database import Database, DatabaseUnusable

ENVIRONMENT: Final = {
    **writer_process.ENVIRONMENT,
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # further processes, for judges of language models
}
"""What the server is told by its environment."""


def server(store: Store, port: int) -> list[str]:
    """Make a store's database ready and return the command that serves it; raises DatabaseUnusable.

    The server would create and upgrade tables by itself, but without keeping launches away meanwhile.
    """
    _prepare(Database(store.mlflow_database, store.artifacts))
    storage = ["--backend-store-uri", store.mlflow_uri, "--artifacts-destination", store.artifacts.as_uri()]
    listen = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *storage, *listen]


def _prepare(database: Database) -> None:
    with database.locked():
        database.check()
        if database.mark == version("mlflow"):
            database.relocate()
            return
    set_up = [sys.executable, "-m", "orchestrator.tracking.database_setup", str(database.path), str(database.artifacts)]
    ended = subprocess.run(set_up, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise DatabaseUnusable(database.path, ([*ended.stderr.splitlines()] or ["MLflow does not say why"])[-1])

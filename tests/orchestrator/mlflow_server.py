"""An MLflow server for tests: on loopback, with its runs in a database and its artifacts where it is told."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.orchestrator.ports import free_port


class MlflowServer:
    """A server, asked by its REST interface: MLflow's client takes seconds to import."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def runs(self, study: str) -> list[dict[str, Any]]:
        """Return the runs of a study: their status, their tags, and whatever else MLflow says of them."""
        experiment = self._ask(f"experiments/get-by-name?experiment_name={study}")["experiment"]["experiment_id"]
        found = self._ask("runs/search", {"experiment_ids": [experiment], "max_results": 1000}).get("runs", [])
        return [{**run, "tags": {tag["key"]: tag["value"] for tag in run["data"]["tags"]}} for run in found]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                return True
        except OSError:
            return False

    def _ask(self, what: str, body: object = None) -> dict[str, Any]:
        sent = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.url}/api/2.0/mlflow/{what}", data=sent, headers=headers)
        with urllib.request.urlopen(asked, timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


@contextmanager
def running(folder: Path, database: str, artifacts: str) -> Iterator[MlflowServer]:
    """Run a server until the block ends; `folder` gets its log."""
    port = free_port()
    where = ["--backend-store-uri", database, "--artifacts-destination", artifacts]
    listen = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # three more processes, which nobody here needs
        "MLFLOW_S3_ENDPOINT_URL": os.environ.get("AWS_ENDPOINT_URL", ""),
    }
    server = MlflowServer(port)
    with (
        (folder / "mlflow.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *where, *listen],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            process_group=0,
        ) as process,
    ):
        try:
            while not server.answers():
                assert process.poll() is None, (folder / "mlflow.log").read_text()
                time.sleep(0.1)
            yield server
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # it takes its time over anything else

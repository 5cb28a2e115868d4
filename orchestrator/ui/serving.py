"""Serves the pages of a store, and its MLflow pages beside them, until Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from orchestrator.store.store import Store
from orchestrator.tracking.database import DatabaseUnusable
from orchestrator.tracking.serving import ENVIRONMENT, server
from orchestrator.ui.address import LOOPBACK, Address
from orchestrator.ui.application import application

SECONDS_TO_END: Final = 10.0


def serve(store: Store, address: Address, say: Callable[[str], None]) -> None:
    """Serve a store's pages until the process is told to stop; `say` hears in sentences what is served where."""
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that MLflow is stopped, too
    with mlflow_beside(store, address.port + 1, say) as mlflow:
        say(f"{address.url} shows {store.place}; stop it with Ctrl-C")
        pages = application(store, address, mlflow)
        uvicorn.run(pages, host=address.host, port=address.port, log_level="warning", access_log=False, lifespan="off")


@contextmanager
def mlflow_beside(store: Store, port: int, say: Callable[[str], None]) -> Iterator[str | None]:
    """Serve a store's MLflow pages on this machine's loopback while the block runs; yield where, if it has any."""
    if store.remote is not None or not store.mlflow_database.exists():
        yield None
        return
    try:
        command = server(store, port)
    except DatabaseUnusable as error:
        say(f"MLflow is not served: {error}")
        yield None
        return
    url = f"http://{LOOPBACK}:{port}"
    say(f"{url} shows its MLflow pages")
    process = subprocess.Popen(command, env={**ENVIRONMENT, **os.environ}, stdin=subprocess.DEVNULL)
    try:
        yield url
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

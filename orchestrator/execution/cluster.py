"""Ray for the time of one study: on loopback, quiet, in a temporary folder that goes when the study ends."""

import logging
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from orchestrator.execution import ray_internals
from orchestrator.execution.capacity import ADDRESS, nodes, require_room
from orchestrator.execution.connection import CLUSTER_PATIENCE, connected
from orchestrator.ledger.journal_file import DriverLock, is_driven
from orchestrator.spec.study_spec import Resources
from orchestrator.store.checkpoints import discard
from orchestrator.store.logs import logging_into
from trainables.errors import StudyStopped

THREAD_TIMEOUT: Final = "30"
"""Seconds for a stopped trial to leave its actor; after that Ray Tune loses the actor's next trial."""

SWITCHES: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": THREAD_TIMEOUT,
    "TUNE_MAX_PENDING_TRIALS_PG": "1000000",
    "RAY_py_gcs_connect_timeout_s": str(CLUSTER_PATIENCE),
}
"""No logger, no snapshot, no metric that could abort the sweep: the ledger does all of that.

As many trials may wait for a worker as the searcher hands out. If only one may, as is usual, it takes the worker of
the first trial that ends, its own is ended while it starts, and short trials never get a second one.
"""

_FOR_WORKERS: Final = {"TUNE_FUNCTION_THREAD_TIMEOUT_S": THREAD_TIMEOUT}
"""Of the switches, those that a worker looks at; on this machine it inherits them."""

_PREFIX: Final = "espalier-ray-"
_MISSES_LOGGERS: Final = "ray.tune.analysis.experiment_analysis"
"""Warns of each trial that has no result.json, which only the loggers that are switched off write."""

_LOCK: Final = "driver.lock"
_OBJECT_STORE: Final = 128 * 2**20
"""Bytes. Trials exchange next to nothing through Ray."""


def named(address: str | None = None) -> str | None:
    """Return the cluster that `address` names, or else RAY_ADDRESS; None, or `local`, is one on this machine."""
    found = address or os.environ.get(ADDRESS)
    return None if found in ("", "local") else found


@contextmanager
def ray_session(log: Path, address: str | None = None) -> Iterator[None]:
    """Use the Ray that is there, or the cluster that is `named`, or one on this machine; its messages go to `log`.

    A Ray that was there before is left as it was found. Raises InvalidValue for a cluster that cannot be used.
    """
    cluster = named(address)
    with ExitStack() as stack:
        stack.enter_context(_environment(SWITCHES))
        import ray  # after its switches are set, before its messages are turned aside: the import sets both up

        stack.enter_context(logging_into(log, "ray"))
        logging.getLogger(_MISSES_LOGGERS).setLevel(logging.ERROR)
        if not ray.is_initialized():
            stack.enter_context(_naming(cluster))
            stack.enter_context(_started() if cluster is None else connected(cluster, _FOR_WORKERS))
        yield


def check(resources: Resources, address: str | None) -> None:
    """Raise InvalidValue if a cluster is named and cannot be used, or cannot hold a trial. Writes nothing."""
    if named(address) is not None:
        with ray_session(Path(os.devnull), address):
            require_room(nodes(), resources)


class NodeLost(StudyStopped):
    """Ray's processes on this machine have died. Without this, Ray Tune would wait for them for ever."""

    def __init__(self, log: Path) -> None:
        super().__init__(
            f"Ray has died on this machine before any trial had reported, again and again; {log} may say why"
        )


def is_alive() -> bool:
    """Say whether the node of this very process is still a part of the cluster."""
    import ray

    own = ray.get_runtime_context().get_node_id()
    return any(node["Alive"] and node["NodeID"] == own for node in ray.nodes())


@contextmanager
def _started() -> Iterator[None]:
    import ray

    _sweep_abandoned()
    _keep_token_private()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_short_folder()))
    lock = DriverLock(folder / _LOCK)
    try:
        with _on_loopback():
            ray.init(
                address="local",
                # Ray opens this folder to everybody; nobody else gets into the one above
                **{ray_internals.FOLDER: str(folder / "ray")},
                include_dashboard=False,
                log_to_driver=False,
                object_store_memory=_OBJECT_STORE,
            )
            yield
    finally:
        ray.shutdown()
        lock.release()
        discard(folder)


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Have a Ray that starts listen on loopback alone.

    It does so by itself where it supports no clusters, on macOS and Windows, and takes 127.0.0.1 for a slip elsewhere.
    """
    with ray_internals.clusters_disabled() as variable, _environment({variable: "0"}):
        yield


def _keep_token_private() -> None:
    """Make Ray's token, unless there is one, as Ray would, but so that nobody else can read it."""
    elsewhere = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & os.environ.keys()
    if elsewhere or os.environ.get("RAY_AUTH_MODE", "token") != "token":
        return
    token = Path.home() / ".ray" / "auth_token"
    token.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=token.parent) as draft, suppress(FileExistsError):
        draft.write(secrets.token_hex(32))
        draft.flush()
        os.link(draft.name, token)
    token.chmod(0o600)


def _short_folder() -> Path:
    """Return a folder whose path leaves room: Ray puts Unix sockets below, whose paths end at 107 characters."""
    return Path(os.environ.get("RAY_TMPDIR", "/tmp"))


def _sweep_abandoned() -> None:
    """Delete the folders of drivers that were killed."""
    for folder in _short_folder().glob(f"{_PREFIX}*"):
        lock = folder / _LOCK
        if folder.stat().st_uid == os.getuid() and lock.exists() and not is_driven(lock):
            discard(folder)


@contextmanager
def _naming(cluster: str | None) -> Iterator[None]:
    """Have RAY_ADDRESS say for a while which cluster is used, if any: others ask there."""
    before = os.environ.pop(ADDRESS, None)
    if cluster is not None:
        os.environ[ADDRESS] = cluster
    try:
        yield
    finally:
        os.environ.pop(ADDRESS, None)
        if before is not None:
            os.environ[ADDRESS] = before


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set what is not set, for a while."""
    added = [name for name in values if name not in os.environ]
    os.environ.update({name: values[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)

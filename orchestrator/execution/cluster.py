"""Ray while one study runs: a cluster that others have started, or one on this machine that ends with the study."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self

from orchestrator.execution.capacity import ADDRESS, nodes, require_room
from orchestrator.execution.connection import CLUSTER_PATIENCE, connected
from orchestrator.execution.interruption import interruptible
from orchestrator.execution.local_ray import environment, started, vital_processes_live
from orchestrator.spec.study_spec import Resources
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
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_gcs_server_request_timeout_seconds": "30",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
    "PL_DISABLE_FORK": "1",
}
"""No logger, no snapshot, no metric that could abort the sweep: the ledger does all of that.

As many trials may wait for a worker as the searcher hands out. If only one may, as is usual, it takes the worker of
the first trial that ends, its own is ended while it starts, and short trials never get a second one.

A call under way when Ray's control store dies fails after 30 s, long before Ray ends this process because of it.

Ray on this machine starts no worker in advance, for it would start one for each processor: see `READY`. Ray Tune gives
its workers PL_DISABLE_FORK; here they inherit it.
"""

READY: Final = {"RAY_prestart_worker_first_driver": "1"}
"""The switch that wins where each processor is to run a trial: workers start while the driver gets its data ready.

Those that nobody uses are ended after a minute; after a second, as is usual, they would be before Ray Tune wants them.
"""

_FOR_WORKERS: Final = {"TUNE_FUNCTION_THREAD_TIMEOUT_S": THREAD_TIMEOUT}
"""The switches that a worker reads; on this machine it inherits them."""

_MISSES_LOGGERS: Final = "ray.tune.analysis.experiment_analysis"
"""Warns of each trial that has no result.json, which only the loggers that are switched off write."""


def named(address: str | None = None) -> str | None:
    """Return the cluster that `address` names, or else RAY_ADDRESS; None, or `local`, is one on this machine."""
    cluster = address or os.environ.get(ADDRESS)
    return None if cluster in ("", "local") else cluster


@contextmanager
def ray_session(
    log: Path, address: str | None = None, referred: Sequence[str] = (), *, ready: bool = False
) -> Iterator[None]:
    """Use the Ray that runs already, or the cluster that is `named`, or one on this machine; its messages go to `log`.

    `referred` are the packages that the study is referred to; all nodes of a cluster must run the same. A Ray that is
    started here has a worker `ready` for each processor, or none.

    SIGTERM and SIGHUP interrupt the block, as Ctrl-C does. A Ray that ran before is left as it was. Raises
    InvalidValue for a cluster or a folder that cannot be used, RayNotStarted if this machine cannot run Ray.
    """
    cluster = named(address)
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        stack.enter_context(environment(SWITCHES | READY if ready else SWITCHES))
        import ray  # after its switches are set, before its messages are redirected: the import sets both up

        stack.enter_context(logging_into(log, "ray"))
        logging.getLogger(_MISSES_LOGGERS).setLevel(logging.ERROR)
        if not ray.is_initialized():
            stack.enter_context(_naming(cluster))
            stack.enter_context(started() if cluster is None else connected(cluster, _FOR_WORKERS, referred))
        yield


class RaySession:
    """A `ray_session` that is opened when it is needed, and again after Ray has died."""

    def __init__(
        self,
        address: str | None = None,
        referred: Sequence[str] = (),
        notify: Callable[[str], None] = lambda _: None,
        *,
        ready: bool = False,
    ) -> None:
        """`notify` is called with a sentence before what takes seconds, and with an empty one after it."""
        self._address, self._referred, self._notify, self._ready = address, referred, notify, ready
        self._opened = ExitStack()
        self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, log: Path) -> None:
        """Start Ray or connect to it, unless that is done; raises what `ray_session` does."""
        if not self._is_open:
            cluster = named(self._address)
            where = "starting Ray on this machine" if cluster is None else f"connecting to the Ray cluster at {cluster}"
            self._notify(f"{where}; this takes some seconds")
            self._opened.enter_context(ray_session(log, self._address, self._referred, ready=self._ready))
            self._is_open = True
            self._notify("")

    def open_with_room(self, resources: Resources) -> None:
        """Open the session before a study has a log; raises InvalidValue also if no node holds a trial."""
        self.open(Path(os.devnull))
        require_room(nodes(), resources)

    def close(self) -> None:
        """End Ray if it was started here, or leave the cluster."""
        self._is_open = False
        self._opened.close()


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
    """Return whether this process's own node is still part of the cluster."""
    import ray

    if not vital_processes_live():
        return False
    own = ray.get_runtime_context().get_node_id()
    return any(node["Alive"] and node["NodeID"] == own for node in ray.nodes())


@contextmanager
def _naming(cluster: str | None) -> Iterator[None]:
    """Name the cluster, if any, in RAY_ADDRESS while the block runs: other code reads it there."""
    before = os.environ.pop(ADDRESS, None)
    if cluster is not None:
        os.environ[ADDRESS] = cluster
    try:
        yield
    finally:
        os.environ.pop(ADDRESS, None)
        if before is not None:
            os.environ[ADDRESS] = before

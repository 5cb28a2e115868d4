"""NVIDIA's Multi-Process Service on the nodes of a cluster: lets trials that share a GPU compute at the same time.

Its control daemon has a folder of its own on each node. Studies on the same node share the daemon, and the last one
ends it; the next study adopts one that a killed driver left behind. A service that is already running on a node is
used as it is. A node that joins later has none, so its trials take turns on the GPU.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from orchestrator.execution.cluster import NodeLost
from orchestrator.spec.study_spec import Resources
from trainables.errors import InvalidValue

BINARY: Final = "nvidia-cuda-mps-control"
PIPES: Final = "CUDA_MPS_PIPE_DIRECTORY"
LOGS: Final = "CUDA_MPS_LOG_DIRECTORY"

SECONDS_TO_START: Final = 30
SECONDS_TO_END: Final = 10
"""How long the last clients may take to disconnect."""

_ABSENT: Final = (
    f"has no {BINARY}; it comes with NVIDIA's driver (Ubuntu: nvidia-compute-utils, Debian: nvidia-cuda-mps)"
)


@contextmanager
def running(resources: Resources) -> Iterator[None]:
    """Run the service on every node with GPUs while the block runs, if `resources` ask for it.

    Raises InvalidValue, naming the nodes on which it cannot run.
    """
    if not resources.mps:
        yield
        return
    import ray

    keepers = {node["NodeManagerAddress"]: _keeper_on(node["NodeID"]) for node in ray.nodes() if _has_gpus(node)}
    try:
        said = dict(zip(keepers, ray.get([keeper.start.remote() for keeper in keepers.values()]), strict=True))
        refused = [f"{address} {why}" for address, why in said.items() if why is not None]
        if refused:
            raise InvalidValue("resources.mps", True, f"needs the service on every node: {'; '.join(refused)}")
        yield
    except NodeLost:
        keepers.clear()  # the actors that would end it are lost as well
        raise
    finally:
        ended = [keeper.end.remote() for keeper in keepers.values()]
        if ended:
            ray.wait(ended, num_returns=len(ended), timeout=2 * SECONDS_TO_END)  # a node that is gone does not answer


def connect() -> None:
    """Make this process compute through its node's service; call it before CUDA is used."""
    if (own := _folder() / "pipe").is_dir():
        os.environ[PIPES] = str(own)


class Keeper:
    """Keeps the service alive on one node."""

    def __init__(self) -> None:
        self._folder = _folder()
        self._users: TextIO | None = None

    def start(self) -> str | None:
        """Start the service if none is running; return why it cannot start, or None."""
        if shutil.which(BINARY) is None:
            return _ABSENT
        if _answers(_environment({})):
            return None
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            return f"cannot make the folder {self._folder} ({error.strerror}); set TMPDIR to another folder"
        if self._folder.is_symlink() or self._folder.stat().st_uid != os.getuid():
            return f"has a folder {self._folder} that belongs to another user; set TMPDIR to another folder"
        self._users = (self._folder / "users.lock").open("a")
        fcntl.flock(self._users, fcntl.LOCK_SH)  # waits while another study is ending the service
        with (self._folder / "starting.lock").open("a") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            refusal = None if _answers(self._own) else self._launch()
        if refusal is not None:
            self._users.close()
            self._users = None
        return refusal

    def end(self) -> None:
        """Stop using the service; end it if we started or adopted it and no other study uses it."""
        if self._users is None:
            return
        with self._users as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            _command(self._own, f"quit -t {SECONDS_TO_END}")
            shutil.rmtree(self._folder / "pipe", ignore_errors=True)

    @property
    def _own(self) -> dict[str, str]:
        return _environment({PIPES: str(self._folder / "pipe"), LOGS: str(self._folder / "log")})

    def _launch(self) -> str | None:
        for name in ("pipe", "log"):
            (self._folder / name).mkdir(exist_ok=True)
        said = self._folder / "start.txt"
        with said.open("w") as output:  # no pipe: the daemon would hold it open
            status = subprocess.run(
                [BINARY, "-d"],
                env=self._own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=SECONDS_TO_START,
                check=False,
            ).returncode
        if status == 0:
            return None
        shutil.rmtree(self._folder / "pipe")
        return f"cannot start {BINARY} (status {status}): {said.read_text(errors='replace').strip()}"


def _keeper_on(node: str) -> "ray.actor.ActorHandle":  # type: ignore[name-defined]  # noqa: F821
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=there).remote()


def _has_gpus(node: Mapping[str, object]) -> bool:
    resources = node["Resources"]
    return bool(node["Alive"]) and isinstance(resources, Mapping) and resources.get("GPU", 0) > 0


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"espalier-mps-{os.getuid()}"


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the daemon sees all GPUs of its node: Ray hides them from actors without GPUs."""
    return {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"} | dict(own)


def _answers(environment: Mapping[str, str]) -> bool:
    return _command(environment, "get_server_list") == 0


def _command(environment: Mapping[str, str], line: str) -> int:
    """Send a command to the daemon and return the exit status: 0 if a daemon is running."""
    said = f"{line}\n".encode()
    return subprocess.run([BINARY], input=said, env=environment, capture_output=True, check=False).returncode

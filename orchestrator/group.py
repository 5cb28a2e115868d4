"""A trial as a group of processes, each on a bundle of the trial's own placement group.

The first one is the process that Ray Tune knows. It starts the others as actors, which stay with it for its next
trials, leads them through a trial, and alone reports and saves. Imports Ray and torch.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import psutil
import ray
import torch
from ray import ObjectRef
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from torch import distributed as dist

from orchestrator.failures import Breakdown, Failure, GroupBroken, breakdown
from orchestrator.worker import WorkerContext, run, tell
from trainables.context import Report, SaveCheckpoint

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

PATIENCE: Final = timedelta(hours=2)
"""How long a process waits for another one that lives: while the first saves a checkpoint, for example."""

GRACE: Final = 10.0
"""Seconds in which a process finds out by itself that another one is lost; then it is ended. One whose machine vanished
says nothing, and would be waited for until the patience ends."""

_followers: dict[str, list[ActorHandle]] = {}
"""The other processes of this one's group, by placement group: they outlive a trial, as this process does."""


class Stopped(Exception):
    """The first process has ended the trial early."""


class _Leading(WorkerContext):
    """The context of the first process: after each report it tells the others whether the trial goes on."""

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        goes_on = False
        try:
            super().report(report, save)
            goes_on = True
        finally:
            _word(goes_on)


class _Following(WorkerContext):
    """The context of the other processes, whose reports would say the same."""

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002
        if not _word(True):
            raise Stopped


def _word(goes_on: bool) -> bool:
    """Say to, or hear from, the first process whether the trial goes on."""
    said = torch.tensor(goes_on)
    dist.broadcast(said, src=0)
    return bool(said)


def lead(config: dict[str, Any]) -> None:
    """Run a trial in this process together with others on the rest of its placement group.

    Raises GroupBroken if another process was lost or had an error of its own, and whatever the trial raises here.
    """
    others = _followers_on(ray.util.get_current_placement_group(), config)
    address = ray.util.get_node_ip_address()
    with socket.create_server((address, 0), backlog=len(others) + 1) as server:
        port = server.getsockname()[1]
        followed = [other.follow.remote(config, rank, (address, port)) for rank, other in enumerate(others, start=1)]
        store = dist.TCPStore(  # type: ignore[attr-defined]
            address,
            port,
            len(others) + 1,
            is_master=True,
            timeout=PATIENCE,
            wait_for_workers=False,
            master_listen_fd=server.detach(),
        )
    with _watched(followed):
        try:
            with _joined(config, store, rank=0):
                run(config, _Leading.of(config))
        except SystemExit:  # Ray Tune has stopped the trial, and the others were told
            ray.get(followed)
            raise
        except Exception as error:
            broken = _cause(error, followed)
            if broken is None:
                raise
            raise broken from error
        ray.get(followed)


@ray.remote(max_restarts=0)
class Follower:
    """A process of a group that is not the first."""

    def follow(self, config: dict[str, Any], rank: int, address: tuple[str, int]) -> None:
        """Run a trial together with the process that waits at `address`."""
        host, port = address
        store = dist.TCPStore(host, port, config["workers"], is_master=False, timeout=PATIENCE)  # type: ignore[attr-defined]
        try:
            with _joined(config, store, rank):
                run(config, _Following.of(config))
        except Stopped:
            return


def _followers_on(group: PlacementGroup, config: dict[str, Any]) -> list[ActorHandle]:
    """Return an actor on each bundle of the placement group but the first; start them if they are not there."""
    key = group.id.hex()
    if key not in _followers:
        options = [
            PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=bundle)
            for bundle in range(1, config["workers"])
        ]
        _followers.clear()
        _followers[key] = [
            Follower.options(  # type: ignore[attr-defined]
                num_cpus=config["cpus"], num_gpus=config["gpus"], scheduling_strategy=bundle
            ).remote()
            for bundle in options
        ]
    return _followers[key]


@contextmanager
def _joined(config: dict[str, Any], store: "Store", rank: int) -> Iterator[None]:
    """Make this process a part of the group; left in order where the trial ends, or is stopped, in all of them."""
    _listen_on(ray.util.get_node_ip_address())
    backend = "cpu:gloo,cuda:nccl" if config["gpus"] == 1 else "gloo"  # NCCL refuses two processes on one GPU
    dist.init_process_group(backend, store=store, rank=rank, world_size=config["workers"], timeout=PATIENCE)
    try:
        yield
    except BaseException as error:
        if backend == "gloo" or isinstance(error, SystemExit | Stopped):  # NCCL would wait here for the others
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _listen_on(address: str) -> None:
    """Have gloo and NCCL use the network that Ray uses: on loopback nobody else can reach them."""
    found = (name for name, own in psutil.net_if_addrs().items() if any(one.address == address for one in own))
    name = next(found, None)
    if name is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", name)


@contextmanager
def _watched(followed: list[ObjectRef]) -> Iterator[None]:
    """End this process, with the reason, if another one is lost or fails and this one waits for it all the same."""
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            broken = _trouble(followed, seconds=1.0)
            if broken is not None and not over.wait(GRACE):
                tell(broken.breakdown)
                os._exit(1)

    watcher = threading.Thread(target=watch, name="group", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _cause(error: Exception, followed: list[ObjectRef]) -> GroupBroken | None:
    """Return what happened to another process if that is why this one has an error; None if the error is its own."""
    if not _is_of_talking(error):
        return None
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        broken = _trouble(followed, seconds=0.5)
        if broken is not None:
            return broken
    return GroupBroken(Breakdown(Failure.LOST, f"the processes of the trial's group lost each other: {error}"))


def _trouble(followed: list[ObjectRef], *, seconds: float) -> GroupBroken | None:
    """Return what happened to another process, should something do within so many seconds.

    One that only misses the others is not the one to name.
    """
    ended, _ = ray.wait(followed, num_returns=len(followed), timeout=seconds)
    for rank, one in enumerate(followed, start=1):
        error = _error_of(one) if one in ended else None
        if isinstance(error, RayActorError):
            kind = Failure.PREEMPTED if error.preempted else Failure.LOST
            return GroupBroken(Breakdown(kind, f"process {rank} of the trial's group: {str(error).splitlines()[0]}"))
        if isinstance(error, RayTaskError) and not _is_of_talking(error.cause):
            own = breakdown(error.cause)
            broken = GroupBroken(Breakdown(own.failure, f"process {rank} of the trial's group: {own.text}"))
            broken.add_note(str(error))  # the traceback, as text: it is another process's
            return broken
    return None


def _error_of(followed: ObjectRef) -> Exception | None:
    try:
        ray.get(followed)
    except (RayActorError, RayTaskError) as error:
        found: Exception = error
        return found
    return None


def _is_of_talking(error: BaseException) -> bool:
    """Say whether an error means that another process does not answer; gloo has no exception of its own."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())

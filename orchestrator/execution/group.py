"""A trial as a group of processes, each on a bundle of the trial's own placement group.

The first process is the one that Ray Tune knows. It starts the others as actors, which it keeps for its next trials,
leads them through a trial, and is the only one to report and save. Imports Ray and torch.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import psutil
import ray
import torch
from ray import ObjectRef
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy
from torch import distributed as dist

from orchestrator.execution.trial_context import WorkerContext, run, tell
from orchestrator.execution.work_order import WorkOrder
from orchestrator.ledger.failures import Breakdown, Failure, GroupBroken, breakdown
from trainables.context import Report, SaveCheckpoint
from trainables.errors import TrialError

if TYPE_CHECKING:
    from torch._C._distributed_c10d import Store

PEER_PATIENCE: Final = timedelta(hours=2)
"""How long a process waits for another one that is alive: while the first saves a checkpoint, for example."""

MEETING: Final = timedelta(minutes=5)
"""How long processes try to connect to each other when a trial starts."""

GRACE: Final = 10.0
"""Seconds in which a process may notice by itself that another one is lost, before it is ended. A process whose machine
vanished sends no error, so that the others would wait for it for all of `PEER_PATIENCE`."""

_NAME: Final = "process {} of the trial's group"

_followers: dict[str, list[ActorHandle]] = {}
"""The other processes of this process's group, by placement group: they outlive a trial, as this process does."""


class Stopped(TrialError):
    """The first process has ended the trial early."""


class _Leading(WorkerContext):
    """The context of the first process: after each report it tells the others whether the trial continues."""

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        continues = False
        try:
            super().report(report, save)
            continues = True
        finally:
            with nullcontext() if continues else suppress(RuntimeError):  # it ends even if the others have died
                _agreed(continues)


class _Following(WorkerContext):
    """The context of the other processes, which do not report: their reports would be the same."""

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - a context's; the first one's tells
        if not _agreed(True):
            raise Stopped


def _agreed(continues: bool) -> bool:
    """Broadcast from the first process whether the trial continues; return its answer."""
    answer = torch.tensor(continues)
    dist.broadcast(answer, src=0)
    return bool(answer)


def lead(order: WorkOrder) -> None:
    """Run a trial in this process together with others on the rest of its placement group.

    Raises GroupBroken if another process was lost or had an error of its own, and whatever the trial raises here.
    """
    others = _followers_on(ray.util.get_current_placement_group(), order)
    address = ray.util.get_node_ip_address()
    with socket.create_server((address, 0), backlog=len(others) + 1) as server:
        port = server.getsockname()[1]
        followed = [other.follow.remote(order, rank, (address, port)) for rank, other in enumerate(others, start=1)]
        store = dist.TCPStore(  # type: ignore[attr-defined]
            address,
            port,
            len(others) + 1,
            is_master=True,
            timeout=MEETING,
            wait_for_workers=False,
            master_listen_fd=server.detach(),
        )
    with _watched(followed):
        try:
            with _joined(order, store, rank=0):
                run(order, _Leading.of(order))
        except SystemExit:  # Ray Tune has stopped the trial, and the others were told
            if _broken_by_now(followed):
                _followers.clear()
            raise
        except Exception as error:
            broken = _cause(error, followed)
            if broken is None:
                raise
            raise broken from error
        ray.get(followed)


def _broken_by_now(followed: list[ObjectRef]) -> bool:
    ended, left = ray.wait(followed, num_returns=len(followed), timeout=GRACE)
    return bool(left) or any(_broken(rank, one) is not None for rank, one in enumerate(ended, start=1))


@ray.remote(max_restarts=0)
class Follower:
    """A process of a group that is not the first."""

    def follow(self, order: WorkOrder, rank: int, address: tuple[str, int]) -> None:
        """Run a trial together with the first process, which listens at `address`."""
        host, port = address
        store = dist.TCPStore(host, port, order.workers, is_master=False, timeout=MEETING)  # type: ignore[attr-defined]
        try:
            with _joined(order, store, rank):
                context = _Following.of(order)
                context.files.make(context.folder)
                run(order, context)
        except Stopped:
            return


def _followers_on(group: PlacementGroup, order: WorkOrder) -> list[ActorHandle]:
    """Return an actor on each bundle of the placement group but the first; start them if they do not exist."""
    key = group.id.hex()
    if key not in _followers:
        options = [
            PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=bundle)
            for bundle in range(1, order.workers)
        ]
        _followers.clear()
        _followers[key] = [
            Follower.options(  # type: ignore[attr-defined]
                num_cpus=order.cpus, num_gpus=order.gpus, scheduling_strategy=bundle
            ).remote()
            for bundle in options
        ]
    return _followers[key]


@contextmanager
def _joined(order: WorkOrder, store: "Store", rank: int) -> Iterator[None]:
    """Make this process part of the group while the block runs; leave it cleanly if the trial ends in all processes."""
    _listen_on(ray.util.get_node_ip_address())
    backend = "cpu:gloo,cuda:nccl" if order.gpus == 1 else "gloo"  # NCCL refuses two processes on one GPU
    dist.init_process_group(backend, store=store, rank=rank, world_size=order.workers, timeout=PEER_PATIENCE)
    try:
        yield
    except BaseException as error:
        if backend == "gloo" or isinstance(error, SystemExit | Stopped):  # NCCL would wait here for the others
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _listen_on(address: str) -> None:
    """Make gloo and NCCL use the same network as Ray: on loopback, other machines could not reach them."""
    found = (name for name, own in psutil.net_if_addrs().items() if any(one.address == address for one in own))
    name = next(found, None)
    if name is not None:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", name)


@contextmanager
def _watched(followed: list[ObjectRef]) -> Iterator[None]:
    """End this process and report the reason if another one is lost or fails while this one still waits for it."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            broken = _trouble(followed, talking=True)
            if broken is not None and not over.wait(GRACE):
                tell(_trouble(followed, talking=False) or broken)
                os._exit(1)

    watcher = threading.Thread(target=watch, name="group", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(GRACE)


def _cause(error: Exception, followed: list[ObjectRef]) -> GroupBroken | None:
    """Return what happened to another process if that caused this one's error; None if the error is its own."""
    if not _is_of_talking(error):
        return None
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        ended, _ = ray.wait(followed, num_returns=len(followed), timeout=0.5)
        broken = _trouble(followed, talking=len(ended) == len(followed))
        if broken is not None:
            return broken
    return GroupBroken(Breakdown(Failure.LOST, f"the processes of the trial's group lost each other: {error}"), error)


def _trouble(followed: list[ObjectRef], *, talking: bool) -> GroupBroken | None:
    """Return what has happened to another process, if anything has.

    A process that only lost contact with the others is named if `talking`, and only if no other one has failed.
    """
    ended, _ = ray.wait(followed, num_returns=len(followed), timeout=0)
    found = [_broken(rank, one) for rank, one in enumerate(followed, start=1) if one in ended]
    troubles = [one for one in found if one is not None]
    named = [one for one in troubles if not _is_of_talking(one.origin)]
    return next(iter([*named, *(troubles if talking else [])]), None)


def _broken(rank: int, followed: ObjectRef) -> GroupBroken | None:
    try:
        ray.get(followed)
    except RayTaskError as error:
        kind = Failure.LOST if _is_of_talking(error.cause) else breakdown(error.cause).failure
        broken = GroupBroken(Breakdown(kind, f"{_NAME.format(rank)}: {breakdown(error.cause).text}"), error.cause)
        broken.add_note(str(error))  # the traceback, as text: it is another process's
        return broken
    except RayError as error:
        preempted = isinstance(error, RayActorError) and error.preempted
        kind = Failure.OUT_OF_MEMORY if isinstance(error, OutOfMemoryError) else Failure.LOST
        said = f"{_NAME.format(rank)}: {str(error).splitlines()[0]}"
        return GroupBroken(Breakdown(Failure.PREEMPTED if preempted else kind, said), error)
    return None


def _is_of_talking(error: BaseException) -> bool:
    """Return whether an error means that another process does not answer; gloo has no exception of its own."""
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())

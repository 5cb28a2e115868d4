"""How many workers fit on a cluster, and how many of them the next trial gets. Nodes may join and leave."""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from orchestrator.execution.local_ray import vital_processes_live
from orchestrator.spec.study_spec import Resources
from trainables.errors import InvalidValue

SECONDS_BETWEEN_COUNTS: Final = 2.0
"""How old a count of the cluster's nodes may be."""

ADDRESS: Final = "RAY_ADDRESS"

NodeCapacity = Mapping[str, float]
"""A node's resources, by Ray's names: ``CPU``, ``GPU``."""


def workers_of(node: NodeCapacity, resources: Resources) -> int:
    """Return how many workers fit on a node."""
    asked = {"CPU": resources.cpus, "GPU": resources.share}
    return min(int(node.get(kind, 0) / share + 1e-9) for kind, share in asked.items() if share)


def nodes() -> list[NodeCapacity]:
    """Return the resources of each live node of the cluster; raises ConnectionError if this machine's Ray is dead."""
    import ray

    if not vital_processes_live():
        raise ConnectionError("Ray has died on this machine")  # a request to it would never be answered
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def share_out(free: int, waiting: int, resources: Resources) -> int:
    """Return how many of the `free` workers the next of `waiting` trials gets; 0 if it has to wait.

    Workers get through more trials per hour apart than together, so a trial gets more than the minimum only if there
    are fewer trials than workers.
    """
    if free < resources.workers.min:
        return 0
    return min(resources.workers.max, max(resources.workers.min, free // max(1, waiting)))


def may_grow(resources: Resources) -> bool:
    """Return whether trials may wait for nodes to join: on a cluster, if `parallel` says how many trials should run."""
    return resources.parallel is not None and ADDRESS in os.environ


def require_room(capacities: Sequence[NodeCapacity], resources: Resources) -> int:
    """Return how many workers fit on the nodes; raises InvalidValue if too few for one trial."""
    room = sum(workers_of(node, resources) for node in capacities)
    if room < resources.workers.min and not may_grow(resources):
        available = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in capacities)
        worker = f"{resources.cpus:g} CPUs and {resources.share:g} GPUs"
        asked = worker if resources.workers.min == 1 else f"{resources.workers.min} workers of {worker}"
        hint = "; set resources.parallel if the cluster starts other nodes by itself" if ADDRESS in os.environ else ""
        raise InvalidValue("resources", asked, f"must fit, each worker on one node; there are {available}{hint}")
    return room


class Capacity:
    """Allocates the workers of the connected cluster, whose number may change."""

    def __init__(
        self,
        resources: Resources,
        *,
        count: Callable[[], Sequence[NodeCapacity]] = nodes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Count the nodes for the first time; raises InvalidValue if not even one trial fits on them."""
        self._resources, self._count, self._clock = resources, count, clock
        self._room, self._counted = require_room(count(), resources), clock()
        self._taken: dict[int, int] = {}

    def take(self, live: Collection[int], waiting: int) -> int:
        """Return how many workers the next of `waiting` trials gets beside the `live` ones; 0 if it has to wait."""
        self._taken = {trial: workers for trial, workers in self._taken.items() if trial in live}
        if self._resources.parallel is not None and len(live) >= self._resources.parallel:
            return 0
        taken = sum(self._taken.values())
        share = share_out(self._now() - taken, waiting, self._resources)
        if share > self._resources.workers.min:  # count again, as a node may just have left
            share = share_out(self._count_now() - taken, waiting, self._resources)
        return max(share, self._resources.workers.min) if may_grow(self._resources) else share

    def may_hold(self, workers: int) -> bool:
        """Return whether that many workers would fit if none were taken; always True for the minimum."""
        return workers <= self._resources.workers.min or workers <= self._now()

    def give(self, trial: int, workers: int) -> None:
        """Note how many workers a live trial has."""
        self._taken[trial] = workers

    def _now(self) -> int:
        if self._clock() - self._counted >= SECONDS_BETWEEN_COUNTS:
            self._count_now()
        return self._room

    def _count_now(self) -> int:
        self._room = sum(workers_of(node, self._resources) for node in self._count())
        self._counted = self._clock()
        return self._room

"""A trial as Ray Tune sees it."""

import os
from functools import lru_cache
from typing import Any

from ray import tune
from ray.tune.experiment import Trial

from orchestrator.execution import ray_internals
from orchestrator.execution.work_order import WorkOrder
from orchestrator.execution.worker import WorkerTrial


class OrderedTrial(Trial):  # type: ignore[misc]  # Ray has no types
    """A trial that carries out a work order.

    It is made directly. Ray Tune makes the trials of a `Searcher` from a copy of the experiment, by a command line that
    it writes and parses, and asks the cluster several times for the class of each (findings/ray_tune_lookups.sh).
    """

    def __init__(self, order: WorkOrder, tune_id: str, storage: Any) -> None:
        """Make the trial with the id that Tune gives it; `storage` is the experiment's."""
        placement = _bundles(order.workers, order.cpus, order.gpus)
        name = WorkerTrial.__name__
        super().__init__(
            name,
            config=order.as_dict(),
            trial_id=tune_id,
            storage=storage,
            placement_group_factory=placement,
            stub=True,  # Tune's word for: do not look the trainable up, its class is `get_trainable_cls`
        )
        self.order = order
        self.custom_dirname = order.folder.name

    def get_trainable_cls(self) -> type[WorkerTrial]:
        return WorkerTrial

    def init_local_path(self) -> None:
        """Make the folder that Ray Tune wants for the trial; its name is new, which Ray Tune would look up twice."""
        self.relative_logdir = self.storage.trial_dir_name = self.custom_dirname
        os.makedirs(self.local_path, exist_ok=True)

    def set_ray_actor(self, ray_actor: Any) -> None:
        """Note the actor; without asking it for a first result, as Ray Tune does for tables that nobody sees."""
        ray_internals.note_actor(self, ray_actor)


@lru_cache
def _bundles(workers: int, cpus: float, gpus: float) -> tune.PlacementGroupFactory:
    """Return what a trial occupies: one bundle per worker, all at once or none, close together if possible.

    The same request gives the same object: Ray Tune compares those of trials by all that is in them.
    """
    bundle = {kind: amount for kind, amount in (("CPU", cpus), ("GPU", gpus)) if amount}
    return tune.PlacementGroupFactory([bundle] * workers)

"""Evaluation in pieces that any process of a cluster can carry out: a condition, for some of a study's networks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.evaluation.devices import device_or_default
from orchestrator.ledger import ledger
from orchestrator.networks.loading import complete_trial, network_in
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.store import Store
from orchestrator.store.trial_files import trial_files
from trainables import data
from trainables.evaluation.bench import Bench, Condition

if TYPE_CHECKING:
    from torch import nn

Networks = tuple[tuple[int, CheckpointRef], ...]
"""Trials by number, each with the checkpoint of its network."""

Measured = Mapping[int, Mapping[str, float]]
"""What was measured of each trial, by column."""


@dataclass(frozen=True)
class Task:
    """One condition, under which `networks` of a study are measured beside the `reference`, if there is one.

    `store` and `study` name the study, `cache` is where its data lie once they are prepared. Without a `device` it is
    that of the process.
    """

    store: str
    study: str
    cache: Path
    condition: Condition
    networks: Networks
    reference: Networks
    images: int | None
    seed: int
    device: str | None


Spread = Callable[[Callable[[Task], Measured], Sequence[Task]], Iterator[tuple[Task, Measured]]]
"""Carries tasks out by a function, in any order, and yields each with what came of it."""


def carry_out(task: Task) -> Measured:
    """Measure the networks of a task, in this process."""
    folder = Store.at(task.store).existing(task.study, "NAME")
    spec, records, files = StudySpec.stored(folder.spec), ledger.read(folder), trial_files(folder)
    dataset = data.load(spec.data, task.cache).placed(device_or_default(task.device), spec.data.memory)

    def network(number: int, kept: CheckpointRef) -> "nn.Module":
        return network_in(folder, complete_trial(records, number), files, kept).model.to(dataset.test.device)

    reference = next((network(*one) for one in task.reference), None)
    bench = Bench(dataset, reference, images=task.images, seed=task.seed)
    return {number: bench.measure(task.condition, network(number, kept)) for number, kept in task.networks}

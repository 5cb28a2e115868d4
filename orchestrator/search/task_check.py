"""Checks, before any trial runs, whether a study's task fits its network, its objectives and its data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.spec.quality import quality_of
from orchestrator.spec.study_spec import StudySpec
from trainables import data, models, tasks
from trainables.errors import InvalidValue
from trainables.metrics import is_function, is_of_task
from trainables.references import is_reference

if TYPE_CHECKING:
    from trainables.state import LiveTrial


@dataclass(frozen=True)
class TaskCheck:
    """A study's task, and what is known of its data."""

    spec: StudySpec
    facts: data.Facts

    def require_task(self, trial: "LiveTrial") -> None:
        """Raise InvalidValue for a network with outputs of another task, and for a wrong task by reference."""
        import torch

        from trainables.models.reference import outputs_of

        classes, shape, network = trial.dataset.classes, trial.dataset.input_shape, trial.spec.model
        model = models.build(network.name, classes=classes, input_shape=shape, options=network.options)
        found = list(outputs_of(model, shape).shape)
        expected = [2, classes, *self.facts.target]
        if found != expected and not is_reference(self.spec.task):
            allowed = f"must give outputs {expected} for two samples of task: {self.spec.task}, and gives {found}"
            raise InvalidValue("model.name", network.name, allowed)
        if is_reference(self.spec.task):
            from trainables.tasks.reference import try_task

            for problem in self._own_metrics(trial):
                raise problem
            labels = torch.zeros(2, *self.facts.target, dtype=torch.float32 if self.facts.numbers else torch.int64)
            try_task(self.spec.task, trial.task, torch.zeros(found), trial.task.targets(labels))

    def _own_metrics(self, trial: "LiveTrial") -> Iterator[InvalidValue]:
        """Yield what the study names otherwise than its task, which is code of the user's."""
        task, spec = trial.task, self.spec
        named = ", ".join(f"{name}: {direction}" for name, direction in task.metrics.items()) or "nothing but its loss"
        for name in spec.measured:
            section = "objectives" if name in spec.objectives else "constraints"
            if not is_function(name) and is_of_task(name) and name not in task.metrics:
                yield InvalidValue(f"{section}.{name}", spec.task, f"does not measure it, but {named}")
            elif name in task.metrics and spec.objectives.get(name, task.metrics[name]) != task.metrics[name]:
                allowed = f"must be {task.metrics[name]}, as {spec.task} says"
                yield InvalidValue(f"objectives.{name}", spec.objectives[name], allowed)
        first = quality_of(spec.objectives)
        if first.metric != task.selects:
            allowed = f"selects by {task.selects}: name it before other metrics of the task, as {task.selects}: "
            yield InvalidValue(tasks.KEY, spec.task, f"{allowed}{task.direction} under objectives")

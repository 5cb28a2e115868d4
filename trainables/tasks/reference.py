"""Tasks of anybody: a class, named by where it is, that is a subclass of `Task`. Nothing else is called."""

import inspect
from collections.abc import Iterable
from typing import Any, Final

from torch import Tensor

from trainables.errors import InvalidValue
from trainables.references import called, factory_of
from trainables.tasks import KEY
from trainables.tasks.base import LOSS, Task

_WANTED: Final = "must be a class of tasks: `class MyTask(Task)`, with Task from espalier"


def task_by_reference(name: str) -> Task:
    """Return the task behind a reference; raises InvalidValue, keyed ``task``, for anything else."""
    try:
        task: Task = called(name, factory_of(name, None, _is_task, _WANTED), {}, {})
    except InvalidValue as refused:
        raise InvalidValue(KEY, name, refused.allowed) from refused
    for mistake in _mistakes(task):
        raise InvalidValue(KEY, name, mistake)
    return task


def _is_task(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Task)


def _mistakes(task: Task) -> Iterable[str]:
    for metric, direction in task.metrics.items():
        if direction not in ("maximize", "minimize"):
            yield f"its metric {metric} must be maximize or minimize, not {direction}"
    known = (*task.metrics, LOSS)
    if task.selects not in known:
        yield f"selects {task.selects}, which is none of its metrics: {', '.join(known)}"


def try_task(name: str, task: Task, outputs: Tensor, targets: Tensor) -> None:
    """Raise InvalidValue, keyed ``task``, unless a task gives a loss a sample and all its metrics for these outputs."""
    try:
        losses, measured = task.loss(outputs, targets), task.measure(outputs, targets)
    except Exception as error:
        raise InvalidValue(KEY, name, f"it raised {type(error).__name__}: {error}") from error
    shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
    if shape != [len(targets)]:
        raise InvalidValue(KEY, name, f"its loss must be one a sample, [{len(targets)}] for these, and is {shape}")
    for metric in task.metrics:
        if metric not in measured:
            raise InvalidValue(KEY, name, f"its measure gives no {metric}")

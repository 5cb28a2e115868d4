"""What a network learns: its loss, its metrics, and which of them selects. Importing this does not import torch.

A task is one of our own (``regression``), or a class by reference (``my_package.tasks:Task``).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from trainables.errors import InvalidValue, check_name
from trainables.references import check_form, is_reference

if TYPE_CHECKING:
    from trainables.tasks.base import Task

KEY: Final = "task"
CLASSIFICATION: Final = "classification"
REGRESSION: Final = "regression"
LANGUAGE_MODELING: Final = "language_modeling"

_OWN: Final[Mapping[str, str]] = {
    CLASSIFICATION: "Classification",
    REGRESSION: "Regression",
    LANGUAGE_MODELING: "LanguageModeling",
}
"""The class of each task, in the module of the same name."""

SMOOTHED: Final = frozenset({CLASSIFICATION, LANGUAGE_MODELING})
"""The tasks whose loss, a cross-entropy, can smooth labels."""


_SELECTS: Final[Mapping[str, str]] = {
    CLASSIFICATION: "accuracy",
    REGRESSION: "mae",
    LANGUAGE_MODELING: "perplexity",
}
"""The metric that selects in each task, as its class says, too."""


def selecting(name: str) -> str:
    """Return the metric that selects in a task of our own; the loss for one by reference, whose code says more."""
    return _SELECTS.get(name, "loss")


def names() -> tuple[str, ...]:
    """Return the names of our own tasks."""
    return tuple(_OWN)


def check(name: str) -> None:
    """Raise InvalidValue unless `name` can name a task; of a reference only the form is checked."""
    if not is_reference(name):
        check_name(KEY, name, (*_OWN, "<package.module>:<Task>"))
        return
    try:
        check_form(name, "a class of tasks")
    except InvalidValue as refused:
        raise InvalidValue(KEY, name, refused.allowed) from refused


def find(name: str) -> "Task":
    """Return the task of a name; raises InvalidValue, keyed ``task``, for one that is none."""
    check(name)
    if is_reference(name):
        referred: Task = import_module(f"{__name__}.reference").task_by_reference(name)
        return referred
    own: Task = getattr(import_module(f"{__name__}.{name}"), _OWN[name])()
    return own

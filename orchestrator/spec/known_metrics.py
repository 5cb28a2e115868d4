"""Which metrics a study may name: those of its task, costs, and functions of the user's."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestrator.spec.constraints import Constraint
from orchestrator.spec.spec_errors import unknown_keys
from trainables import tasks
from trainables.errors import InvalidValue
from trainables.metrics import OBJECTIVES, TABLE, Direction, find
from trainables.references import is_reference
from trainables.tasks import CLASSIFICATION

FUNCTION: Final = "<package.module>:<function>"
"""The form of a metric that a function of the user's measures."""


def usual_objectives(checked: Mapping[str, Any]) -> dict[str, Direction]:
    """Return the objectives of a study that names none: what selects in its task, and MACs."""
    selecting = tasks.selecting(str(checked.get("task", CLASSIFICATION)))
    return {selecting: find(selecting).direction or "minimize", "macs": "minimize"}


def not_measured(given: Mapping[str, object], task: str | None) -> list[InvalidValue]:
    """Return an error for each metric that is none of a task's.

    A task of the user's may measure anything, and so may None, one that was refused.
    """
    is_open = task is None or is_reference(task)
    own = [name for name in given if name not in TABLE and re.fullmatch(r"[A-Za-z_]\w*", str(name))]
    unknown = {name: given[name] for name in given if not (is_open and name in own)}
    measured = [name for name in OBJECTIVES if not find(name).tasks or task in find(name).tasks or is_open]
    others = {name: find(name) for name in unknown if name in OBJECTIVES and name not in measured}
    refused = unknown_keys({name: value for name, value in unknown.items() if name not in others}, _known(measured))
    for name, metric in others.items():
        allowed = f"is a metric of task: {' or '.join(sorted(metric.tasks))}, and this study has task: {task}"
        refused.append(InvalidValue(name, given[name], f"{allowed}, which measures {', '.join(_of(str(task)))}"))
    return refused


def _known(measured: Sequence[str]) -> tuple[str, ...]:
    return (*measured, FUNCTION)


def _of(task: str) -> list[str]:
    return [name for name in OBJECTIVES if task in find(name).tasks]


def unmet(bound: Constraint, text: str) -> InvalidValue:
    metric = find(bound.metric)
    lies = f"lies in [{metric.low:g}, {metric.high:g}]" if math.isfinite(metric.high) else f"is at least {metric.low:g}"
    return InvalidValue(bound.metric, text, f"can be met by no network: {bound.metric} {lies}")

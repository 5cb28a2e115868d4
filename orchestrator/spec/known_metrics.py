"""Which metrics a study may name: those of its task, costs, and functions of the user's."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from orchestrator.spec.constraints import Constraint
from orchestrator.spec.spec_errors import unknown_keys
from trainables import tasks
from trainables.errors import InvalidValue, nearest
from trainables.metrics import AT, EVALUATED, OBJECTIVES, TABLE, VALIDATION, Direction, find
from trainables.references import is_reference
from trainables.spec import EvaluationSpec
from trainables.tasks import CLASSIFICATION

FUNCTION: Final = "<package.module>:<function>"
"""The form of a metric that a function of the user's measures."""


def usual_objectives(checked: Mapping[str, Any]) -> dict[str, Direction]:
    """Return the objectives of a study that names none: what selects in its task, and MACs."""
    selecting = tasks.selecting(str(checked.get("task", CLASSIFICATION)))
    return {selecting: find(selecting).direction or "minimize", "macs": "minimize"}


def evaluated(wanted: EvaluationSpec | None) -> list[str]:
    """Return the metrics of validation images that a study's section `evaluation` adds."""
    if wanted is None:
        return []
    named = (f"{kind}_{severity}" for severity, kind in product(wanted.severities, wanted.kinds))
    images = [*named, *(f"noise_{radius:g}" for radius in wanted.noise)]
    return [f"{metric}{AT}{VALIDATION}{one}" for one, metric in product(images, EVALUATED)] + list(_summaries(wanted))


def _summaries(wanted: EvaluationSpec) -> Iterator[str]:
    for severity in wanted.severities if wanted.kinds else ():
        yield f"accuracy{AT}{VALIDATION}corrupted_{severity}"
        yield f"accuracy{AT}{VALIDATION}corrupted_worst_{severity}"


def not_evaluated(given: Mapping[str, object], known: Collection[str]) -> list[InvalidValue]:
    """Return an error for each metric of other images that is not `known`."""
    where = "is not measured: `evaluation` names the images, and metrics of them are called"
    called = f"METRIC{AT}{VALIDATION}IMAGES, as accuracy{AT}{VALIDATION}corrupted_3"
    unknown = (name for name in given if AT in str(name) and name not in known)
    return [InvalidValue(name, given[name], f"{where} {called}{nearest(name, known)}") for name in unknown]


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

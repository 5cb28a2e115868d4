"""Which members of a front are shown, and in which order: near the dense accuracy, meeting comparisons, sorted."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives, is_eligible
from orchestrator.results.reference import DROP, accuracy_drop, dense_reference
from orchestrator.spec.constraints import COMPARISONS
from trainables.errors import InvalidValue, nearest
from trainables.metrics import direction_of
from trainables.spec import Value

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {**COMPARISONS, "=": operator.eq, "!=": operator.ne}
_FORM: Final = re.compile(r"\s*([^\s<>=!]+)\s*(<=|>=|!=|==|<|>|=)\s*([^\s<>=!]+)\s*")
_OF_ALL: Final = ("trial", "paradigm", "seed", "seconds", DROP)

HYPERPARAMETERS: Final = "hyperparameters."
"""Before the name of a hyper-parameter that a metric has too, as `params`."""


@dataclass(frozen=True)
class Condition:
    """A comparison of one figure or hyper-parameter of a trial with a value."""

    name: str
    comparison: str
    bound: Value

    @classmethod
    def parse(cls, text: str, known: Sequence[str]) -> Self:
        """Read a comparison such as ``params < 20000``; raises InvalidValue, keyed ``--where``."""
        parts = _FORM.fullmatch(text)
        if parts is None:
            allowed = (
                "must be NAME COMPARISON VALUE, joined by `and`, such as 'params < 20000 and paradigm = magnitude'"
            )
            raise InvalidValue("--where", text, f"{allowed}; comparisons are {', '.join(_COMPARISONS)}")
        name, comparison, bound = parts[1], parts[2], _value(parts[3])
        _require_known("--where", name, known)
        comparison = "=" if comparison == "==" else comparison
        if isinstance(bound, str) and comparison not in ("=", "!="):
            raise InvalidValue("--where", text, f"compares with text, which can only be = or !=, not {comparison}")
        return cls(name, comparison, bound)

    def holds(self, value: Value | None) -> bool:
        """Return whether a trial's value satisfies it; one that the trial does not have satisfies nothing."""
        if value is None:
            return False
        if isinstance(value, str | bool) or isinstance(self.bound, str):
            return (_text(value) == _text(self.bound)) == (self.comparison == "=") and self.comparison in ("=", "!=")
        return _COMPARISONS[self.comparison](float(value), float(self.bound))

    def __str__(self) -> str:
        return f"{self.name} {self.comparison} {_text(self.bound)}"


@dataclass(frozen=True)
class Selection:
    """What is shown of a front.

    `within` is the most by which a trial's validation accuracy may be below that of the dense network or, if no dense
    trial has finished, of the most accurate eligible trial. `sort` names a figure or a hyper-parameter, best first, or
    lowest first where no direction is the better one; without it the order of the front is kept.
    """

    within: float | None = None
    where: tuple[Condition, ...] = ()
    sort: str | None = None

    @classmethod
    def read(
        cls, records: Sequence[TrialRecord], *, within: float | None, where: Iterable[str], sort: str | None
    ) -> Self:
        """Read what was typed; raises InvalidValue for what no trial of `records` has."""
        known = names(records)
        if within is not None and not 0 <= within <= 1:
            raise InvalidValue("--within", within, "must be a share of the accuracy from 0 to 1; 0.01 is one point")
        if sort is not None:
            _require_known("--sort", sort, known)
        texts = (part for text in where for part in re.split(r"\s+and\s+", text))
        return cls(within, tuple(Condition.parse(text, known) for text in texts), sort)

    def of(
        self, front: Sequence[TrialRecord], records: Sequence[TrialRecord], objectives: Objectives
    ) -> list[TrialRecord]:
        """Return the members of a front that are shown; `records` are all trials of the study."""
        reference, least = dense_reference(records), self._least_accuracy(records, objectives)
        chosen = [r for r in front if r.metrics.get("accuracy", -math.inf) >= least and self._holds(r, reference)]
        if self.sort is None:
            return chosen
        return sorted(chosen, key=lambda record: _order(self.sort or "", figure(self.sort or "", record, reference)))

    def words(self, records: Sequence[TrialRecord], objectives: Objectives) -> str:
        """Return in words what is shown; empty if that is the whole front."""
        parts = [str(condition) for condition in self.where]
        if self.within is not None:
            whose = self._measure(records, objectives)
            parts.insert(0, f"validation accuracy at most {100 * self.within:g} points below {whose[0]}")
        return ", ".join(parts)

    def _holds(self, record: TrialRecord, reference: TrialRecord | None) -> bool:
        return all(condition.holds(figure(condition.name, record, reference)) for condition in self.where)

    def _least_accuracy(self, records: Sequence[TrialRecord], objectives: Objectives) -> float:
        if self.within is None:
            return -math.inf
        return self._measure(records, objectives)[1] - self.within - 1e-12  # differences of shares are not exact

    @staticmethod
    def _measure(records: Sequence[TrialRecord], objectives: Objectives) -> tuple[str, float]:
        """Return against what accuracies are held, and that accuracy."""
        reference = dense_reference(records)
        if reference is not None:
            return f"the dense network's (trial {reference.trial})", reference.metrics["accuracy"]
        eligible = [record for record in records if is_eligible(record, objectives) and "accuracy" in record.metrics]
        best = max(eligible, key=lambda record: record.metrics["accuracy"], default=None)
        if best is None:
            return "the best trial's", -math.inf
        return f"the best trial's (trial {best.trial}; no dense trial has finished)", best.metrics["accuracy"]


def names(records: Iterable[TrialRecord]) -> list[str]:
    """Return what trials can be chosen and sorted by: metrics, then hyper-parameters."""
    listed = list(records)
    measured = dict.fromkeys(name for record in listed for name in record.metrics)
    params = dict.fromkeys(name for record in listed for name in record.params)
    plain = [name for name in params if name not in measured and name not in _OF_ALL]
    return [*_OF_ALL, *measured, *plain, *(f"{HYPERPARAMETERS}{name}" for name in params)]


def figure(name: str, record: TrialRecord, reference: TrialRecord | None) -> Value | None:
    """Return a trial's value by one of the `names`; a metric comes before a hyper-parameter of the same name."""
    if name == DROP:
        return accuracy_drop(record, reference)
    if name in _OF_ALL:
        value: Value = getattr(record, name)
        return value
    if name in record.metrics:
        return record.metrics[name]
    return record.params.get(name.removeprefix(HYPERPARAMETERS))


def _order(name: str, value: Value | None) -> tuple[int, float, str]:
    """Return the key by which trials are sorted: numbers best first, then text, then those without a value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 2, 0.0, ""
    if isinstance(value, str | bool):
        return 1, 0.0, _text(value)
    return 0, -float(value) if direction_of(name) == "maximize" else float(value), ""


def _require_known(key: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        plain = [one for one in known if not one.startswith(HYPERPARAMETERS)]
        raise InvalidValue(key, name, f"must be one of {', '.join(plain)}{nearest(name, plain)}")


def _value(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return text


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)

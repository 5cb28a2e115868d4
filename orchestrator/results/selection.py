"""Which members of a front are shown, and in which order: near the dense network, meeting comparisons, sorted."""

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives, is_eligible
from orchestrator.results.reference import dense_reference, drop, is_within
from orchestrator.spec.constraints import COMPARISONS
from orchestrator.spec.quality import Quality, quality_of
from trainables import metrics
from trainables.errors import InvalidValue, nearest
from trainables.metrics import AT, direction_of
from trainables.spec import Value

_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {**COMPARISONS, "=": operator.eq, "!=": operator.ne}
_FORM: Final = re.compile(r"\s*([^\s<>=!]+)\s*(<=|>=|!=|==|<|>|=)\s*([^\s<>=!]+)\s*")
_OF_ALL: Final = ("trial", "paradigm", "seed", "seconds")

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

    `within` is the most by which a trial's quality, that of its task (validation accuracy), may be worse than that of
    the dense network or, if no dense trial has finished, of the best eligible trial. `sort` names a figure or a
    hyper-parameter, best first, or lowest first where no direction is the better one; without it the order of the
    front is kept.
    """

    within: float | None = None
    where: tuple[Condition, ...] = ()
    sort: str | None = None

    @classmethod
    def read(
        cls,
        records: Sequence[TrialRecord],
        objectives: Objectives,
        *,
        within: float | None,
        where: Iterable[str],
        sort: str | None,
    ) -> Self:
        """Read what was typed; raises InvalidValue for what no trial of `records` has."""
        quality = quality_of(objectives)
        known = names(records, quality)
        if within is not None and not 0 <= within <= (1 if quality.is_share else math.inf):
            allowed = f"must be a share of the {quality.metric} from 0 to 1; 0.01 is one point"
            raise InvalidValue("--within", within, allowed if quality.is_share else "must be at least 0")
        if sort is not None:
            _require_known("--sort", sort, known)
        texts = (part for text in where for part in re.split(r"\s+and\s+", text))
        return cls(within, tuple(Condition.parse(text, known) for text in texts), sort)

    def of(
        self, front: Sequence[TrialRecord], records: Sequence[TrialRecord], objectives: Objectives
    ) -> list[TrialRecord]:
        """Return the members of a front that are shown; `records` are all trials of the study."""
        quality, reference = quality_of(objectives), dense_reference(records, objectives)

        def value(name: str, record: TrialRecord) -> Value | None:
            return figure(name, record, reference, quality)

        measure = self._measure(records, objectives)
        near = [r for r in front if self._is_near(r, measure[1], quality)] if measure is not None else front
        chosen = [r for r in near if all(condition.holds(value(condition.name, r)) for condition in self.where)]
        if self.sort is None:
            return chosen
        name = self.sort
        return sorted(chosen, key=lambda record: _order(name, value(name, record), objectives))

    def words(self, records: Sequence[TrialRecord], objectives: Objectives) -> str:
        """Return in words what is shown; empty if that is the whole front."""
        parts = [str(condition) for condition in self.where]
        if self.within is not None:
            quality, measure = quality_of(objectives), self._measure(records, objectives)
            whose = "the best trial's" if measure is None else measure[0]
            most = f"{100 * self.within:g} points" if quality.is_share else f"{self.within:g}"
            parts.insert(0, f"{metrics.words(quality.metric)} at most {most} {quality.side} {whose}")
        return ", ".join(parts)

    def _is_near(self, record: TrialRecord, measure: TrialRecord, quality: Quality) -> bool:
        return self.within is None or is_within(quality, record, measure, self.within)

    @staticmethod
    def _measure(records: Sequence[TrialRecord], objectives: Objectives) -> tuple[str, TrialRecord] | None:
        """Return against which trial others are held, and whose quality that is in words; None if there is none."""
        quality, reference = quality_of(objectives), dense_reference(records, objectives)
        if reference is not None:
            return f"the dense network's (trial {reference.trial})", reference
        measured = [r for r in records if is_eligible(r, objectives) and quality.metric in r.metrics]
        best = min(measured, key=lambda record: quality.loss(record.metrics), default=None)
        if best is None:
            return None
        return f"the best trial's (trial {best.trial}; no dense trial has finished)", best


def names(records: Iterable[TrialRecord], quality: Quality) -> list[str]:
    """Return what trials can be chosen and sorted by: metrics, then hyper-parameters."""
    listed = list(records)
    of_all = (*_OF_ALL, quality.drop_name)
    measured = dict.fromkeys(name for record in listed for name in record.metrics)
    params = dict.fromkeys(name for record in listed for name in record.params)
    plain = [name for name in params if name not in measured and name not in of_all]
    return [*of_all, *measured, *plain, *(f"{HYPERPARAMETERS}{name}" for name in params)]


def figure(name: str, record: TrialRecord, reference: TrialRecord | None, quality: Quality) -> Value | None:
    """Return a trial's value by one of the `names`; a metric comes before a hyper-parameter of the same name."""
    if name == quality.drop_name:
        return drop(quality, record, reference)
    if name in _OF_ALL:
        value: Value = getattr(record, name)
        return value
    if name in record.metrics:
        return record.metrics[name]
    return record.params.get(name.removeprefix(HYPERPARAMETERS))


def _order(name: str, value: Value | None, objectives: Objectives) -> tuple[int, float, str]:
    """Return the key by which trials are sorted: numbers best first, then text, then those without a value."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 2, 0.0, ""
    if isinstance(value, str | bool):
        return 1, 0.0, _text(value)
    direction = objectives.get(name) or direction_of(name)
    return 0, -float(value) if direction == "maximize" else float(value), ""


def _require_known(key: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        named = [one for one in known if not one.startswith(HYPERPARAMETERS)]
        plain = [one for one in named if AT not in one]  # those of an evaluation are hundreds
        evaluated = f", or METRIC{AT}IMAGES as `show` lists them" if len(plain) < len(named) else ""
        raise InvalidValue(key, name, f"must be one of {', '.join(plain)}{evaluated}{nearest(name, named)}")


def _value(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return text


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)

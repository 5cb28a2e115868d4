"""Bounds on metrics, as a study file writes them: ``accuracy: ">= 0.8"``."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trainables.errors import InvalidValue
from trainables.metrics import find

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric that a trial must satisfy to be on the front."""

    metric: str
    comparison: str
    bound: float

    @classmethod
    def parse(cls, metric: str, text: str) -> "Constraint":
        """Read a comparison such as ``">= 0.8"``; raises InvalidValue, keyed by the metric."""
        found = re.fullmatch(r"\s*(>=|<=|>|<)\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*", text)
        try:
            return cls(metric, found[1], float(found[2])) if found else cls(metric, "", float(""))
        except ValueError:
            raise InvalidValue(metric, text, 'must be a comparison with a number, such as ">= 0.8"') from None

    @property
    def can_be_met(self) -> bool:
        """Whether the metric has values that satisfy the constraint."""
        metric = find(self.metric)
        best = metric.high if self.comparison.startswith(">") else metric.low
        return math.isfinite(self.bound) and self.holds(best)

    def holds(self, value: float) -> bool:
        """Return whether `value` satisfies the constraint; NaN never does."""
        return COMPARISONS[self.comparison](value, self.bound)

    def violation(self, value: float) -> float:
        """Return by how much `value` misses the bound; at most 0 if it holds. 0 can also violate < and >."""
        return self.bound - value if self.comparison.startswith(">") else value - self.bound

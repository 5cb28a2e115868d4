"""A search space: the dimensions of one paradigm's hyper-parameters, some under a condition."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from optuna.distributions import BaseDistribution

Value = bool | int | float | str


@dataclass(frozen=True)
class Dimension:
    """One hyper-parameter to search. `when` names earlier ones and the values for which this one matters."""

    distribution: BaseDistribution
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Return whether the dimension is searched, given the values chosen so far."""
        return all(chosen.get(name) in values for name, values in self.when.items())


class Space(dict[str, Dimension]):
    """Dimensions by hyper-parameter, in the order in which they are asked."""

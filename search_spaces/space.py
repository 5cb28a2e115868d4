"""A search space: the dimensions of one paradigm's hyper-parameters, some under a condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from optuna.distributions import BaseDistribution, CategoricalDistribution

Value = bool | int | float | str
Possible = Sequence[Value] | tuple[float, float]
"""The values that a hyper-parameter may have: a list, or as a pair the ends of a range."""


@dataclass(frozen=True)
class Dimension:
    """One hyper-parameter to search. `when` names earlier ones and the values for which this one matters.

    `unless` names ones that need not be searched, and the values for which this one does not matter.
    """

    distribution: BaseDistribution
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)

    def applies(self, chosen: Mapping[str, Value]) -> bool:
        """Return whether the dimension is searched, given the values chosen so far."""
        excluded = any(name in chosen and chosen[name] in values for name, values in self.unless.items())
        return not excluded and all(chosen.get(name) in values for name, values in self.when.items())

    def is_ruled_out(self, fixed: Mapping[str, Value]) -> bool:
        """Return whether values that are fixed keep it from ever having an effect."""
        assumed = {name: values[0] for name, values in self.when.items()}
        return not self.applies({**assumed, **fixed})


class Space(dict[str, Dimension]):
    """Dimensions by hyper-parameter, in the order in which they are asked."""

    def may_matter(self, name: str, possible: Mapping[str, Possible]) -> bool:
        """Return whether a hyper-parameter matters for some of the `possible` values of those that it depends on.

        For values that this space does not search, it may.
        """
        if name not in self:
            return True
        excluded = any(_all_within(possible.get(other), values) for other, values in self[name].unless.items())
        when = self[name].when.items()
        return not excluded and all(self._may_hold(other, values, possible.get(other)) for other, values in when)

    def condition(self, name: str) -> str:
        """Describe when a hyper-parameter matters: ``where schedule is iterative``, ``where pretrain is not 0``."""
        dimension = self[name]
        conditions = [f"{other} is {' or '.join(map(str, values))}" for other, values in dimension.when.items()]
        conditions += [f"{other} is not {' or '.join(map(str, values))}" for other, values in dimension.unless.items()]
        return f"where {' and '.join(conditions)}"

    def _may_hold(self, other: str, values: tuple[Value, ...], possible: Possible | None) -> bool:
        if possible is None or other not in self:
            return True
        if isinstance(possible, tuple):
            return any(possible[0] <= value <= possible[1] for value in values if isinstance(value, int | float))
        distribution = self[other].distribution
        known = distribution.choices if isinstance(distribution, CategoricalDistribution) else ()
        return any(value in values or value not in known for value in possible)


def _all_within(possible: Possible | None, values: tuple[Value, ...]) -> bool:
    return isinstance(possible, list) and all(value in values for value in possible)

"""The configurations of a study, as one tree to draw from: its paradigms' search spaces, as the study narrows them, and
what all paradigms share: the networks, their options, and the training hyper-parameters that it searches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

import search_spaces
from orchestrator.ledger.trial import Named
from orchestrator.search.expected_costs import Costs, ExpectedCosts
from orchestrator.spec import searched_options, searched_training
from orchestrator.spec.choices import Choice, Range
from orchestrator.spec.constraints import Constraint
from orchestrator.spec.params import MODEL, OPTION, PREFIX, Params
from orchestrator.spec.study_spec import StudySpec
from search_spaces.space import Dimension, Space
from trainables import paradigms
from trainables.bounds import Bounds
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.metrics import COSTS
from trainables.spec import ModelSpec, Value

PARADIGM: Final = "paradigm"
"""The name under which the sampler chooses the paradigm. Hyper-parameters are named ``<paradigm>.<name>``, and those
that all paradigms share ``model``, ``model.<option>`` and ``training.<name>``."""

Suggest = Callable[[str, BaseDistribution], Value]
"""Returns a value for a name from its distribution."""


@dataclass(frozen=True)
class Configurations:
    """All configurations that a study may try."""

    spec: StudySpec
    costs: Costs | None = None
    """What says what is known of costs before training; None computes it from the study's networks."""

    @cached_property
    def searched(self) -> tuple[str, ...]:
        """The paradigms with anything to search."""
        return tuple(name for name in self.spec.paradigms if self._spaces[name] or self._shared)

    @cached_property
    def settled(self) -> tuple[str, ...]:
        """The paradigms whose hyper-parameters are all fixed: each has a single configuration."""
        return tuple(name for name in self.spec.paradigms if name not in self.searched)

    @cached_property
    def distributions(self) -> dict[str, BaseDistribution]:
        """Everything that is drawn, by name."""
        drawn = {f"{p}.{name}": d.distribution for p in self.searched for name, d in self._spaces[p].items()}
        shared = {name: dimension.distribution for name, dimension in self._shared.items()}
        return {PARADIGM: CategoricalDistribution(self.searched), **drawn, **shared} if self.searched else {}

    @cached_property
    def are_numeric(self) -> bool:
        """Whether exactly one paradigm is searched, and only over numbers."""
        several = (found for found in self.distributions.values() if not found.single())
        return len(self.searched) == 1 and not any(isinstance(found, CategoricalDistribution) for found in several)

    def draw(self, suggest: Suggest, *, joint: bool = False) -> dict[str, Value]:
        """Return one draw; `suggest` is called for each value in turn.

        If `joint`, a draw holds a value for every hyper-parameter of every paradigm, used or not, as samplers that
        model all of them together need it. Otherwise it holds only what its paradigm uses under its conditions.
        """
        if joint:
            return {name: suggest(name, distribution) for name, distribution in self.distributions.items()}
        paradigm = str(suggest(PARADIGM, self.distributions[PARADIGM]))
        drawn: dict[str, Value] = {PARADIGM: paradigm}
        chosen = dict(self._fixed[paradigm])
        for name, dimension in self._spaces[paradigm].items():
            if dimension.applies(chosen):
                key = f"{paradigm}.{name}"
                drawn[key] = chosen[name] = suggest(key, dimension.distribution)
        for name, dimension in self._shared.items():
            if dimension.applies(drawn):
                drawn[name] = suggest(name, dimension.distribution)
        return drawn

    def params(self, drawn: Named) -> dict[str, Value]:
        """Return the hyper-parameters that a trial gets from a draw: its paradigm's, and those that all share."""
        paradigm = str(drawn[PARADIGM])
        chosen = dict(self._fixed[paradigm])
        for name, dimension in self._spaces[paradigm].items():
            if dimension.applies(chosen):
                chosen[name] = drawn[f"{paradigm}.{name}"]
        shared = {name: drawn[name] for name, dimension in self._shared.items() if dimension.applies(drawn)}
        return self._applied(paradigm, chosen) | shared

    def drawn_as(self, paradigm: str, params: Named) -> dict[str, Value]:
        """Return the draw that gives a trial these hyper-parameters, without those not searched or outside the ranges.

        If the paradigm itself is not searched here, its values are used for every searched paradigm that has
        hyper-parameters of the same names, since a name means the same in all paradigms. Training hyper-parameters
        that are not in `params` have the values in the study file.
        """
        known = {
            f"{one}.{name}": params[name]
            for one in ([paradigm] if paradigm in self.searched else self.searched)
            for name, dimension in self._spaces[one].items()
            if name in params and _holds(dimension.distribution, params[name])
        }
        trained = Params.of(params).completed(self.spec.training, self.spec.search.training).named
        known |= {
            name: trained[name]
            for name, dimension in self._shared.items()
            if name in trained and _holds(dimension.distribution, trained[name])
        }
        return {PARADIGM: paradigm, **known} if paradigm in self.searched else known

    def takes(self, label: str, option: str) -> bool:
        """Return whether the network of that label is built with a searched option."""
        return self._shared[f"{OPTION}{option}"].applies({MODEL: label})

    def contains(self, paradigm: str, params: Named) -> bool:
        """Return whether the study's present search spaces include these hyper-parameters."""
        if paradigm not in self.spec.paradigms:
            return False
        space, fixed = self._spaces[paradigm], self._fixed[paradigm]
        searched = {name: dimension.distribution for name, dimension in {**space, **self._shared}.items()}
        return all(
            fixed[name] == value if name in fixed else name in searched and _holds(searched[name], value)
            for name, value in params.items()
        )

    def fixed(self, paradigm: str) -> dict[str, Value]:
        """Return the hyper-parameters that the study fixes, without those that have no effect given the others."""
        return self._applied(paradigm, self._fixed[paradigm])

    def refusal(self, paradigm: str, params: Named) -> str | None:
        """Return why the paradigm cannot use these hyper-parameters within the study's epochs, or None if it can."""
        try:
            Params.of(params).create(paradigm).recipe(self.spec.fidelity.epochs)
        except (InvalidValue, InfeasibleTrial) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a plug-in's code: its errors become the reason, and end no study
            return f"{type(error).__name__}: {error}"
        return None

    def expected_costs(self, paradigm: str, params: Named, *, roughly: bool = False) -> Mapping[str, Bounds]:
        """Return what is known of a configuration's costs before training, within one percent if `roughly`."""
        return self._costs(paradigm, params, roughly=roughly)

    def unpruned_costs(self, params: Named) -> Mapping[str, Bounds]:
        """Return the costs of the network that hyper-parameters name before anything is pruned, if they are known."""
        return self._costs.unpruned(params)

    def breach(self, paradigm: str, params: Named) -> str | None:
        """Return which constraint a configuration would surely break by its cost, or None if it may meet all.

        The network that is not pruned is the reference of every front, and breaks none.
        """
        if not self.may_breach:
            return None
        expected = self.expected_costs(paradigm, params)
        if not expected or expected == self.unpruned_costs(params):
            return None
        broken = (bound for bound in self.spec.bounds if _is_broken(bound, expected.get(bound.metric)))
        return next((_breach(bound, expected[bound.metric]) for bound in broken), None)

    @cached_property
    def may_breach(self) -> bool:
        """Whether the study constrains a cost of which something may be known before training."""
        return any(bound.metric in COSTS for bound in self.spec.bounds)

    @cached_property
    def _costs(self) -> Costs:
        return ExpectedCosts(self.spec) if self.costs is None else self.costs

    def _applied(self, paradigm: str, chosen: Named) -> dict[str, Value]:
        """Return the hyper-parameters that have an effect given the others; these go into the trial's record."""
        space, values = search_spaces.find(paradigm), {name: [value] for name, value in chosen.items()}
        return {name: value for name, value in chosen.items() if space.may_matter(name, values)}

    @cached_property
    def _fixed(self) -> dict[str, dict[str, Value]]:
        return {name: _fixed_values(choices) for name, choices in self.spec.paradigms.items()}

    @cached_property
    def _spaces(self) -> dict[str, Space]:
        return {name: _narrowed_space(name, choices) for name, choices in self.spec.paradigms.items()}

    @cached_property
    def _shared(self) -> Space:
        """What is searched for all paradigms; an option only for the networks that take it."""
        networks = self.spec.networks
        several = {MODEL: Dimension(CategoricalDistribution([one.label for one in networks]))}
        options = {
            f"{OPTION}{name}": _option(name, choice, networks) for name, choice in self.spec.search.options.items()
        }
        training = {
            f"{PREFIX}{name}": Dimension(_distribution(choice, whole=searched_training.is_integer(name)))
            for name, choice in self.spec.search.training.items()
        }
        return Space({**(several if len(networks) > 1 else {}), **options, **training})


def _is_broken(bound: Constraint, expected: Bounds | None) -> bool:
    """Return whether no value that is possible satisfies a constraint."""
    return expected is not None and expected.sure and not (bound.holds(expected.low) or bound.holds(expected.high))


def _breach(bound: Constraint, expected: Bounds) -> str:
    size = " to ".join(dict.fromkeys(f"{end:,.0f}" for end in (expected.low, expected.high)))
    return f"{bound.metric} would be {size}, and must be {bound.comparison} {bound.bound:,g}: known before training"


def _option(name: str, choice: Choice, networks: Sequence[ModelSpec]) -> Dimension:
    takers = tuple(network.label for network in networks if searched_options.takes(network, name))
    when = {MODEL: takers} if len(takers) < len(networks) else {}
    whole = isinstance(choice, Range) and isinstance(choice.low, int) and isinstance(choice.high, int)
    return Dimension(_distribution(choice, whole=whole), when)


def _holds(distribution: BaseDistribution, value: Value) -> bool:
    """Return whether a distribution contains a value."""
    if isinstance(distribution, CategoricalDistribution):
        return any(value == choice and type(value) is type(choice) for choice in distribution.choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = vars(distribution)["low"], vars(distribution)["high"]
    return bool(low <= value <= high) and (isinstance(value, int) or isinstance(distribution, FloatDistribution))


def _fixed_values(choices: Mapping[str, Choice]) -> dict[str, Value]:
    single = {name: choice[0] for name, choice in choices.items() if isinstance(choice, list) and len(choice) == 1}
    return single | {name: choice for name, choice in choices.items() if not isinstance(choice, list | Range)}


def _narrowed_space(paradigm: str, choices: Mapping[str, Choice]) -> Space:
    own, fixed = search_spaces.find(paradigm), _fixed_values(choices)
    names = [name for name in dict.fromkeys([*own, *choices]) if name not in fixed]
    space = {name: _narrowed(paradigm, name, own.get(name), choices.get(name)) for name in names}
    return Space({name: dimension for name, dimension in space.items() if not dimension.is_ruled_out(fixed)})


def _narrowed(paradigm: str, name: str, own: Dimension | None, choice: Any) -> Dimension:
    """Return a dimension as the study narrows it. A range is logarithmic if the study or the search space says so."""
    if own is not None and choice is None:
        return own
    log = own is not None and bool(getattr(own.distribution, "log", False))
    distribution = _distribution(choice, whole=_is_integer(paradigm, name), log=log)
    return replace(own, distribution=distribution) if own is not None else Dimension(distribution)


def _distribution(choice: Any, *, whole: bool, log: bool = False) -> BaseDistribution:
    """Return the distribution of a list or a range; with `log`, a range of positive numbers is logarithmic."""
    if isinstance(choice, list):
        return CategoricalDistribution(choice)
    log = choice.log or (choice.low > 0 and log)
    if whole:
        return IntDistribution(int(choice.low), int(choice.high), log=log)
    return FloatDistribution(choice.low, choice.high, log=log)


def _is_integer(paradigm: str, name: str) -> bool:
    return type(next(f.default for f in fields(paradigms.find(paradigm)) if f.name == name)) is int

"""An Optuna sampler, wrapped to draw whole and feasible configurations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial

from orchestrator.ledger.optuna_internals import reseed
from orchestrator.search.configurations import PARADIGM, Configurations
from trainables.spec import Value

MISSED, SPREAD = "missed", "spread"
"""Attributes of a trial in a sampler's view: the sum of its violations, and the uncertainty of each of its values."""

QUARTILE: Final = 1.4826
"""Standard deviations of a normal distribution per half of the range of its middle half, which a SPREAD is."""

JOINT_UP_TO: Final = 50
"""Up to this many known trials TPE models all hyper-parameters of a paradigm jointly, afterwards each by itself.

With few trials it learns more from how values interact; with many it would only draw points close to the best, and get
stuck."""
OWN_DRAWS: Final = 8
UNIFORM_DRAWS: Final = 100
"""How often an infeasible draw is repeated, by the sampler and then uniformly, before the trial is marked FAIL."""

CONSTRAINED_DRAWS: Final = 1000
"""The same where a constraint on costs may refuse most of the space."""


@dataclass(frozen=True)
class Weighed:
    """The expected gain of going on with stopped trials, by their numbers in the view, and that of the best new one."""

    going_on: Mapping[int, float]
    beginning: float


class FeasibleDraws:
    """Draws whole configurations from a sampler, and redraws those that the paradigm or a constraint on costs refuses.

    The randomness of a draw depends only on the study's seed and the trial's number: given the same known results, a
    resumed study draws what it would have drawn without the interruption.
    """

    weighs: ClassVar = False
    """Whether the sampler can weigh going on with stopped trials."""

    def __init__(self, sampler: BaseSampler, configurations: Configurations, *, joint: bool) -> None:
        """Draw from `sampler`; if `joint`, every draw holds all hyper-parameters of all paradigms."""
        self._sampler, self._uniform = sampler, RandomSampler(seed=configurations.spec.seed)
        self._configurations, self.joint = configurations, joint
        self._several = {
            name: distribution
            for name, distribution in configurations.distributions.items()
            if not distribution.single()
        }

    def draw(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value], number: int
    ) -> dict[str, Value]:
        """Return a configuration for a trial, by the sampler's names; values in `given` are kept.

        `trial` is the one in the sampler's view, `number` is the trial's number in the ledger.
        """
        seeds = np.random.SeedSequence([self._configurations.spec.seed, number]).generate_state(2)
        for sampler, seed in zip((self._sampler, self._uniform), seeds, strict=True):
            reseed(sampler, int(seed))
        self._sampler.before_trial(study, trial)
        for _ in range(OWN_DRAWS):
            modelled = self._modelled(study, trial)
            drawn = self._draw(self._sampler, study, trial, {**modelled, **given})
            if self._is_feasible(drawn):
                return drawn
        for _ in range(CONSTRAINED_DRAWS if self._configurations.may_breach else UNIFORM_DRAWS):
            drawn = self._draw(self._uniform, study, trial, given)
            if self._is_feasible(drawn):
                break
        return drawn

    def weigh(self, _study: optuna.Study, _asked: Sequence[int], _number: int) -> Weighed | None:
        """Weigh going on with stopped trials against beginning a new one; None where that cannot be done yet."""
        return None

    def fill(self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value]) -> dict[str, Value]:
        """Return a configuration, feasible or not, in which everything but `given` is drawn uniformly."""
        return self._draw(self._uniform, study, trial, given)

    def _modelled(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return the values that the sampler draws jointly, with a model of all known trials."""
        if self.joint:
            return self._sampler.sample_relative(study, trial, self._several)
        if trial.number >= JOINT_UP_TO:
            return {}
        return self._sampler.sample_relative(study, trial, self._sampler.infer_relative_search_space(study, trial))

    def _draw(
        self, sampler: BaseSampler, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value]
    ) -> dict[str, Value]:
        def value(name: str, distribution: BaseDistribution) -> Any:
            return given[name] if name in given else sampler.sample_independent(study, trial, name, distribution)

        return self._configurations.draw(value, joint=self.joint)

    def _is_feasible(self, drawn: Mapping[str, Value]) -> bool:
        return self._is_allowed(str(drawn[PARADIGM]), self._configurations.params(drawn))

    def _is_allowed(self, paradigm: str, params: Mapping[str, Value]) -> bool:
        """Return whether a configuration can be carried out, and breaks no constraint for sure."""
        of = self._configurations
        return of.refusal(paradigm, params) is None and of.breach(paradigm, params) is None

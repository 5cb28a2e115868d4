"""Optuna's samplers, made to draw whole configurations that the paradigm can carry out."""

from collections.abc import Container, Mapping
from typing import Any, Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from orchestrator.configurations import PARADIGM, Configurations
from orchestrator.spec import Search, StudySpec
from trainables.spec import Value

_MODELLED_JOINTLY: Final = ("nsga2", "gp")
"""The samplers that can use only hyper-parameters which every trial has."""

OWN_DRAWS: Final = 8
UNIFORM_DRAWS: Final = 100
"""How often an infeasible draw is repeated, by the sampler and then uniformly, before the trial is told as failed."""


class SampledStudy(optuna.Study):
    """A study as its sampler shall see it: without finished trials whose configuration it did not draw."""

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        trials = super()._get_trials(deepcopy, states, use_cache)
        return [trial for trial in trials if trial.params or not trial.state.is_finished()]


class FeasibleSampler(BaseSampler):
    """Draws whole configurations from another sampler, again while the paradigm refuses what is drawn."""

    def __init__(self, own: BaseSampler, configurations: Configurations, seed: int) -> None:
        self._own, self._uniform = own, RandomSampler(seed=seed)
        self._configurations = configurations

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        return self._configurations.distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        given = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        several = {name: found for name, found in search_space.items() if not found.single()}
        for _ in range(OWN_DRAWS):
            modelled = self._own.sample_relative(study, trial, several) if self._configurations.joint else {}
            drawn = self._draw(self._own, study, trial, {**modelled, **given})
            if self._is_feasible(drawn):
                return drawn
        for _ in range(UNIFORM_DRAWS):
            drawn = self._draw(self._uniform, study, trial, given)
            if self._is_feasible(drawn):
                break
        return drawn

    def _draw(
        self, sampler: BaseSampler, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value]
    ) -> dict[str, Value]:
        def value(name: str, distribution: BaseDistribution) -> Any:
            return given[name] if name in given else sampler.sample_independent(study, trial, name, distribution)

        return self._configurations.draw(value)

    def _is_feasible(self, drawn: Mapping[str, Value]) -> bool:
        return self._configurations.refusal(str(drawn[PARADIGM]), self._configurations.params(drawn)) is None

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._own.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._own.before_trial(study, trial)


def configurations_for(spec: StudySpec) -> Configurations:
    """Return the study's configurations, drawn in the way its sampler needs."""
    return Configurations(spec, joint=spec.search.sampler in _MODELLED_JOINTLY)


def sampler_for(configurations: Configurations, asked: int) -> BaseSampler:
    """Return the study's sampler; after `asked` trials it does not repeat what it drew before."""
    spec = configurations.spec
    seed, uniform = (int(word) for word in np.random.SeedSequence([spec.seed, asked]).generate_state(2))
    return FeasibleSampler(_own_sampler(spec.search, seed), configurations, uniform)


def _own_sampler(search: Search, seed: int) -> BaseSampler:
    match search.sampler:
        case "tpe":
            return TPESampler(seed=seed)
        case "nsga2":
            return NSGAIISampler(population_size=max(4, min(50, search.trials // 5)), seed=seed)
        case "gp":
            return GPSampler(seed=seed, warn_independent_sampling=False)
        case "random":
            return RandomSampler(seed=seed)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Value:
    """Draw a value and write it into the study's ledger."""
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(name, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(name, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)  # type: ignore[return-value]
        case _:
            raise TypeError(f"{name} has no distribution that can be searched: {distribution}")

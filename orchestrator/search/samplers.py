"""Samplers by name: Optuna's, and the one that knows costs."""

import warnings
from typing import Final, Literal

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from orchestrator.search.configurations import Configurations
from orchestrator.search.feasible_draws import FeasibleDraws
from orchestrator.search.known_cost import KnownCostDraws

SamplerName = Literal["tpe", "nsga2", "gp", "random", "known_cost", "graph"]

MODELLED_JOINTLY: Final = ("nsga2", "gp")
"""The samplers that can only use hyper-parameters that every trial has."""


def draws_for(name: SamplerName, configurations: Configurations, population: int) -> FeasibleDraws:
    """Return the draws of a sampler; `population` is the size of a generation, for a sampler that breeds."""
    if name == "known_cost":
        return KnownCostDraws(configurations)
    if name == "graph":
        from orchestrator.search.graph_draws import GraphDraws  # torch takes seconds to import

        return GraphDraws(configurations)
    sampler = _sampler(name, configurations.spec.seed, population)
    return FeasibleDraws(sampler, configurations, joint=name in MODELLED_JOINTLY)


def _sampler(name: SamplerName, seed: int, population: int) -> BaseSampler:
    match name:
        case "tpe":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
                return TPESampler(seed=seed, multivariate=True, group=True)  # each paradigm has a space of its own
        case "nsga2":
            return NSGAIISampler(population_size=population, seed=seed)
        case "gp":
            return GPSampler(seed=seed, warn_independent_sampling=False)
        case "random" | "known_cost" | "graph":
            return RandomSampler(seed=seed)

"""Configurations chosen before a sampler knows any results: spread over the whole search space, or at random.

Random points leave gaps and form clusters; starting with a scrambled Sobol' sequence is common in model-based search
(Sobol' 1967, https://doi.org/10.1016/0041-5553(67)90144-9; Owen 1998, https://doi.org/10.1145/272991.273010).
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.ledger.trial import Named
from orchestrator.search.configurations import PARADIGM, Configurations
from trainables.spec import Value

SOBOL: Final = "sobol"
FIRST: Final = 10
"""How many trials are spread, as many as a sampler would draw at random before it uses any results."""


def spread(configurations: Configurations) -> Iterator[tuple[str, Named]]:
    """Yield the paradigm and the hyper-parameters of a study's first configurations, feasible or not.

    The study must search a single paradigm: points spread over several spaces would fill none of them.
    """
    from scipy.stats import qmc  # takes a second to import

    dice = qmc.Sobol(len(configurations.distributions), rng=configurations.spec.seed)
    for point in dice.random_base2(math.ceil(math.log2(FIRST)))[:FIRST]:
        drawn = _at(configurations, point)
        yield str(drawn[PARADIGM]), configurations.params(drawn)


def at_random(configurations: Configurations, paradigm: str, count: int) -> list[Named]:
    """Return the hyper-parameters of up to `count` random configurations of a paradigm, without refused ones."""
    if paradigm in configurations.settled:
        return [configurations.fixed(paradigm)]
    points = np.random.default_rng(configurations.spec.seed).random((count, len(configurations.distributions)))
    params = [configurations.params({**_at(configurations, point), PARADIGM: paradigm}) for point in points]
    return [chosen for chosen in params if configurations.refusal(paradigm, chosen) is None]


def _at(configurations: Configurations, shares: Iterable[float]) -> dict[str, Value]:
    named = configurations.distributions.items()
    return {
        name: value_at(distribution, float(share)) for (name, distribution), share in zip(named, shares, strict=True)
    }


def value_at(distribution: BaseDistribution, share: float) -> Value:
    """Return the quantile of a distribution at `share`."""
    match distribution:
        case CategoricalDistribution():
            choice = distribution.choices[int(share * len(distribution.choices))]
            assert choice is not None  # a hyper-parameter has a value
            return choice
        case IntDistribution():
            whole = round(_between(distribution.low - 0.5, distribution.high + 0.5, share, log=distribution.log))
            return min(distribution.high, max(distribution.low, whole))
        case FloatDistribution():
            value = _between(distribution.low, distribution.high, share, log=distribution.log)
            return min(distribution.high, max(distribution.low, value))
    raise TypeError(distribution)


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    return low * (high / low) ** share if log else low + (high - low) * share

"""What one trial tries, and how it came about."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from optuna.distributions import BaseDistribution

from trainables.spec import Value

Named = Mapping[str, Value]


@dataclass(frozen=True)
class Configuration:
    """What one trial tries."""

    paradigm: str
    params: Named
    seed: int


def digest(configuration: Configuration) -> str:
    """Return a short hash that identifies a configuration, also after a round trip through JSON."""
    return hashlib.sha256(json.dumps(vars(configuration), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Draft:
    """A configuration that is about to be tried, and how it came about.

    `drawn` holds what the sampler drew for it, by the sampler's names, each from its distribution.
    """

    configuration: Configuration
    sampler: str
    drawn: Named
    distributions: Mapping[str, BaseDistribution]

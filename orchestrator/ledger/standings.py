"""Where the trials of a study stand: which are on its front, and on which front where it has two."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Standings:
    """Which trials are on a study's front; `by_mean` says more where the study asks for several seeds.

    There the front is that of the means, and `members` has the first trial of each of its configurations.
    """

    members: frozenset[int] = frozenset()
    by_mean: "MeanStandings | None" = None


@dataclass(frozen=True)
class MeanStandings:
    """What a front by the mean over seeds says of trials, by their numbers.

    `single` is the front of single trials. `first` names a trial's configuration, by its first trial with a result.
    `means` are a configuration's means under the metrics' names, and `seeds` how many there are, by its first trial.
    """

    single: frozenset[int] = frozenset()
    first: Mapping[int, int] = field(default_factory=dict)
    means: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    seeds: Mapping[int, int] = field(default_factory=dict)


NOWHERE: Final = Standings()
"""No trial is on a front."""

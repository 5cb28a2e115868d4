"""A sampler that models only what is unknown: costs that follow from a configuration are computed before it is trained.

Of random configurations, that one is tried whose expected gain of hypervolume is the largest (Emmerich, Giannakoglou &
Naujoks 2006, https://doi.org/10.1109/TEVC.2005.859463), at the cost that it is known to have. Running trials are
believed to come to what the model expects of them, so that trials side by side are spread. Stopped trials count with
what they are estimated to come to, the less the less certain that is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.front import Points, non_dominated, sign
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.encoding import Encoding
from orchestrator.search.expected_gain import gains
from orchestrator.search.feasible_draws import MISSED, SPREAD, FeasibleDraws
from orchestrator.search.initial_design import value_at
from orchestrator.search.surrogate import Array, Known, Results, predict
from orchestrator.spec.params import MODEL
from trainables.bounds import Bounds
from trainables.metrics import COSTS
from trainables.spec import Value

FIRST: Final = 10
"""From how many results the sampler learns; those before are drawn at random."""
EXPLORES: Final = 5
"""One draw of so many is random: a model that only follows itself stays where it has been."""
CANDIDATES: Final = 200
FRESH: Final = 25
"""How many of the candidates are new in each draw; the others were candidates of the draws before."""
MOST_LEARNT: Final = 200
"""From how many results at most the model learns: the front, and the newest of the others."""
BEYOND: Final = 0.1
"""How far the reference lies beyond the worst of the front, as a share of the front's range."""
LEAST: Final = 1e-4
"""The least cost that is told from smaller ones, as a share of the unpruned network's."""

Drawn = dict[str, Value]


@dataclass(frozen=True)
class _Seen:
    """A configuration as the model sees it: its row, and the least and the most of its costs, as logarithms."""

    row: Array
    low: Array
    high: Array


class KnownCostDraws(FeasibleDraws):
    """Draws the candidate of the largest expected gain; at random the first ones, every fifth, and those half given."""

    def __init__(self, configurations: Configurations) -> None:
        super().__init__(RandomSampler(seed=configurations.spec.seed), configurations, joint=False)
        objectives, dense = configurations.spec.objectives, _unpruned(configurations)
        self._signs = np.array([sign(direction) for direction in objectives.values()], dtype=np.float64)
        costs = [name for name, direction in objectives.items() if name in dense and direction == "minimize"]
        self._dense = {name: dense[name] for name in costs}
        self._is_cost = np.array([name in costs for name in objectives])
        self._encoding = Encoding(configurations.distributions)
        self._candidates: dict[int, Drawn | None] = {}
        self._known: dict[str, _Seen] = {}

    def draw(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value], number: int
    ) -> dict[str, Value]:
        trials = sorted(study.get_trials(deepcopy=False), key=lambda other: other.number)
        told = [other for other in trials if other.state == TrialState.COMPLETE and _is_finite(other)]
        at_random = given or len(told) < FIRST or number % EXPLORES == 0
        tried = {_key(other.params) for other in trials}
        candidates = [] if at_random else [drawn for drawn in self._pool(number) if _key(drawn) not in tried]
        if not candidates:
            return super().draw(study, trial, given, number)
        pending = [other.params for other in trials if other.state == TrialState.RUNNING and other.params]
        return candidates[self._best(candidates, told, pending, number)]

    def _pool(self, number: int) -> list[Drawn]:
        """Return the candidates of a draw; each depends on the study's seed and its place in the sequence alone."""
        last = FRESH * number + CANDIDATES
        for place in range(last - CANDIDATES, last):
            if place not in self._candidates:
                self._candidates[place] = self._candidate(place)
        for place in [place for place in self._candidates if place < last - 2 * CANDIDATES]:
            del self._candidates[place]
        chosen = (self._candidates[place] for place in range(last - CANDIDATES, last))
        return [drawn for drawn in chosen if drawn is not None]

    def _candidate(self, place: int) -> Drawn | None:
        """Return a random configuration; None for one that cannot be carried out."""
        dice = np.random.default_rng([self._configurations.spec.seed, place])
        drawn = self._configurations.draw(lambda _, distribution: value_at(distribution, float(dice.random())))
        return drawn if self._is_feasible(drawn) else None

    def _best(
        self, candidates: Sequence[Drawn], told: Sequence[FrozenTrial], pending: Sequence[Drawn], number: int
    ) -> int:
        """Return the index of the candidate with the largest expected gain."""
        losses = self._signs * np.array([trial.values for trial in told])
        measured = np.array([not any(trial.user_attrs.get(SPREAD, ())) for trial in told])
        feasible = np.array([trial.user_attrs.get(MISSED, 0.0) <= 0 for trial in told])
        learnt = _learnt(losses)
        results = self._results([told[index] for index in learnt], losses[learnt], feasible[learnt])
        seed = int(np.random.SeedSequence([self._configurations.spec.seed, number]).generate_state(1)[0])
        expected = predict(
            self._as_known([told[index].params for index in learnt]),
            results,
            self._as_known([*candidates, *pending]),
            seed,
        )
        samples = self._losses(np.exp(expected.costs), expected.others[:, :, : int((~self._is_cost).sum())])
        believed = samples[len(candidates) :].mean(axis=1)
        front = np.vstack([self._shares(losses[measured & feasible]), believed])
        gain = gains(samples[: len(candidates)], front, _reference(front, samples), np.random.default_rng(seed))
        likely = np.clip(expected.others[: len(candidates), :, -1].mean(axis=1), 0, 1)
        return int(np.argmax(gain * likely))

    def _results(self, told: Sequence[FrozenTrial], losses: Points, feasible: Array) -> Results:
        """Return what the model learns from; whether constraints hold is learnt like an objective."""
        shares = self._shares(losses)
        spread = np.array([trial.user_attrs.get(SPREAD) or [0.0] * len(self._signs) for trial in told])
        variance = np.where(losses.var(axis=0) > 0, losses.var(axis=0), 1.0)
        weight = (variance / (variance + np.square(spread)))[:, ~self._is_cost].min(axis=1, initial=1.0)
        costs = np.log(np.clip(shares[:, self._is_cost], LEAST, None))
        return Results(costs, np.column_stack([shares[:, ~self._is_cost], feasible.astype(np.float64)]), weight)

    def _shares(self, losses: Points) -> Points:
        """Return losses with costs as shares of the unpruned network's."""
        scale = np.ones(len(self._signs))
        scale[self._is_cost] = list(self._dense.values())
        return np.asarray(losses / scale)

    def _losses(self, costs: Array, others: Array) -> Array:
        together = np.empty((*costs.shape[:2], len(self._signs)))
        together[:, :, self._is_cost], together[:, :, ~self._is_cost] = costs, others
        return together

    def _as_known(self, drawn: Sequence[Drawn]) -> Known:
        seen = [self._see(one) for one in drawn]
        return Known(*(np.array([getattr(one, name) for one in seen]) for name in ("row", "low", "high")))

    def _see(self, drawn: Drawn) -> _Seen:
        key = _key(drawn)
        if key not in self._known:
            params = self._configurations.params(drawn)
            expected = self._configurations.expected_costs(str(drawn[PARADIGM]), params, roughly=True)
            bounds = [_share(expected.get(name), dense) for name, dense in self._dense.items()]
            low, high = (np.log([max(LEAST, getattr(one, end)) for one in bounds]) for end in ("low", "high"))
            self._known[key] = _Seen(self._encoding.row(drawn), low, high)
        return self._known[key]


def _key(drawn: Drawn) -> str:
    return repr(sorted(drawn.items()))


def _unpruned(configurations: Configurations) -> dict[str, float]:
    """Return the costs of the largest network before anything is pruned, as far as they are known."""
    each = [configurations.unpruned_costs({MODEL: network.label}) for network in configurations.spec.networks]
    return {name: max(costs[name].high for costs in each) for name in COSTS if all(name in costs for costs in each)}


def _share(expected: Bounds | None, dense: float) -> Bounds:
    return Bounds(0.0, 1.0) if expected is None else Bounds(expected.low / dense, expected.high / dense)


def _is_finite(trial: FrozenTrial) -> bool:
    return bool(trial.params) and all(map(math.isfinite, trial.values))


def _learnt(losses: Points) -> list[int]:
    """Return which results the model learns from, in order: the front's, and the newest."""
    if len(losses) <= MOST_LEARNT:
        return list(range(len(losses)))
    best = {tuple(point) for point in non_dominated(losses)}
    front = [index for index, point in enumerate(losses) if tuple(point) in best][-MOST_LEARNT // 2 :]
    newest = (index for index in reversed(range(len(losses))) if index not in set(front))
    return sorted([*front, *(index for _, index in zip(range(MOST_LEARNT - len(front)), newest, strict=False))])


def _reference(front: Points, samples: Array) -> Array:
    """Return a point a little beyond the worst of the front."""
    if not len(front):
        return np.asarray(samples.max(axis=(0, 1)))
    best = non_dominated(front)
    extent = np.ptp(best, axis=0)
    whole = np.ptp(np.vstack([best, samples.reshape(-1, best.shape[1])]), axis=0)
    return np.asarray(best.max(axis=0) + np.where(extent > 0, BEYOND * extent, whole))

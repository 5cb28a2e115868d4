"""A sampler that models only what is unknown: costs that follow from a configuration are computed before it is trained.

Of random configurations, and some next to members of the front, that one is tried whose expected gain of hypervolume is
the largest (Emmerich, Giannakoglou & Naujoks 2006, https://doi.org/10.1109/TEVC.2005.859463), at the cost that it is
known to have. Running trials are believed to come to what the model expects of them, so that trials side by side are
spread. Stopped trials count with what they are estimated to come to, the less the less certain that is. The first
trials are spread over the costs.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.front import Points, non_dominated, sign
from orchestrator.search.candidates import Candidate, Drawn, farthest, key_of, known, novelty
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.encoding import Encoding
from orchestrator.search.expected_gain import gains
from orchestrator.search.feasible_draws import MISSED, QUARTILE, SPREAD, FeasibleDraws, Weighed
from orchestrator.search.gaussian_process import Array
from orchestrator.search.initial_design import value_at
from orchestrator.search.neighbours import near
from orchestrator.search.surrogate import Results, Surrogate
from orchestrator.spec.params import MODEL
from trainables.bounds import Bounds
from trainables.metrics import COSTS
from trainables.spec import Value

FIRST: Final = 5
"""From how many results the sampler learns; trials before that are spread over the costs that are known."""
CANDIDATES: Final = 150
FRESH: Final = 25
"""How many of the candidates are new in each draw; the others were candidates of the draws before."""
NEAR: Final = 50
"""How many more candidates lie next to members of the front."""
MOST_LEARNT: Final = 128
"""From how many results at most the model learns: the front, and the newest of the others."""
FLOOR: Final = 2
"""A paradigm that promises nothing is tried again when the study has this many trials for each paradigm, and then each
time that it has twice as many: its model of few results may be wrong."""
EACH: Final = 50
"""Up to twice as many trials the model learns from each result; then from each other one, and so on."""
BEYOND: Final = 0.1
"""How far the reference lies beyond the worst result, as a share of the range of all results."""
REACH: Final = 1.0
"""How far at most that worst result lies beyond the front, as a share of the front's range: some trials diverge."""
FORETOLD: Final = 0.25
"""The share of random configurations whose cost must be known for the sampler to be worth choosing."""
EXACTLY: Final = 0.05
"""How wide the range of a cost that counts as known is at most, as a share of its lower end."""
LEAST: Final = 1e-4
"""The least cost that is told from smaller ones, as a share of the unpruned network's."""


class KnownCostDraws(FeasibleDraws):
    """Draws the candidate of the largest expected gain; the first ones as far as can be from the costs tried so far."""

    weighs: ClassVar = True

    def __init__(self, configurations: Configurations) -> None:
        super().__init__(RandomSampler(seed=configurations.spec.seed), configurations, joint=False)
        objectives, dense = configurations.spec.objectives, _unpruned(configurations)
        self._signs = np.array([sign(direction) for direction in objectives.values()], dtype=np.float64)
        costs = [name for name, direction in objectives.items() if name in dense and direction == "minimize"]
        self._dense = {name: dense[name] for name in costs}
        self._is_cost = np.array([name in costs for name in objectives])
        self._encoding = Encoding(configurations.distributions)
        self._candidates: dict[int, Candidate | None] = {}
        self._tried: dict[int, Candidate] = {}
        """The view's trials, by their numbers there."""
        self._places: dict[int, int] = {}
        """Where each of the view's trials stands among those that have been drawn; numbers may have gaps."""
        self._learnt_from: list[tuple[int, list[float], dict[str, object]]] = []
        self._surrogate: Surrogate | None = None
        """What was learnt last, and from what: it is learnt again when that changes."""

    @property
    def foretells(self) -> bool:
        """Whether of FORETOLD random configurations at least a cost that is minimised is known before training."""
        candidates = self._pool(0)
        if not self._dense or not candidates:
            return False
        apart = np.array([(one.high - one.low).min() for one in candidates])
        return bool((apart <= math.log1p(EXACTLY)).mean() >= FORETOLD)

    def draw(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value], number: int
    ) -> dict[str, Value]:
        trials = self._take_note(study)
        candidates = self._untried(number, trials, given)
        candidates = self._of_neglected(candidates, trials) or candidates
        if not candidates:
            return super().draw(study, trial, given, number)
        return candidates[self._best(candidates, trials)].drawn

    def weigh(self, study: optuna.Study, asked: Sequence[int], number: int) -> Weighed | None:
        """Weigh going on with stopped trials, given by their numbers in the view, against beginning trial `number`."""
        trials = self._take_note(study)
        told, candidates = _told(trials), self._untried(number, trials, {})
        if len(told) < FIRST or not candidates:
            return None
        there = [self._tried[trial] for trial in asked]
        gain = self._gain([*candidates, *there], told, trials, frozenset(asked))
        fresh = gain[: len(candidates)] * self._novelty(candidates, trials)
        return Weighed(dict(zip(asked, gain[len(candidates) :].tolist(), strict=True)), float(fresh.max()))

    def _take_note(self, study: optuna.Study) -> list[FrozenTrial]:
        """Return the view's trials, all of which are known as candidates."""
        trials = [other for other in study.get_trials(deepcopy=False) if other.params]
        for other in trials:
            if other.number not in self._tried:
                self._tried[other.number] = self._see(other.params)
        self._places = {other.number: place for place, other in enumerate(trials)}
        return trials

    def _untried(self, number: int, trials: Sequence[FrozenTrial], given: Mapping[str, Value]) -> list[Candidate]:
        """Return the candidates of a draw that were not tried."""
        tried = {self._tried[other.number].key for other in trials}
        pool = [*self._pool(number), *self._near(number, trials)]
        return [one for one in pool if given.items() <= one.drawn.items() and one.key not in tried]

    def _of_neglected(self, candidates: Sequence[Candidate], trials: Sequence[FrozenTrial]) -> list[Candidate]:
        """Return the candidates of the paradigm that was tried the least, if its turn has come again.

        A paradigm without candidates has no turn: it would take those of the others.
        """
        tried = Counter(str(trial.params.get(PARADIGM)) for trial in trials)
        there = {str(one.drawn[PARADIGM]) for one in candidates}
        searched = [name for name in self._configurations.searched if name in there]
        least = min(searched, key=tried.__getitem__, default="")
        is_due = len(trials) >= FLOOR * len(self._configurations.searched) * 2 ** tried[least]
        return [one for one in candidates if one.drawn[PARADIGM] == least] if is_due else []

    def _pool(self, number: int) -> list[Candidate]:
        """Return the candidates of a draw; each depends on the study's seed and its place in the sequence alone."""
        last = FRESH * number + CANDIDATES
        for place in range(last - CANDIDATES, last):
            if place not in self._candidates:
                self._candidates[place] = self._candidate(place)
        for place in [place for place in self._candidates if place < last - 2 * CANDIDATES]:
            del self._candidates[place]
        chosen = (self._candidates[place] for place in range(last - CANDIDATES, last))
        return [candidate for candidate in chosen if candidate is not None]

    def _near(self, number: int, trials: Sequence[FrozenTrial]) -> list[Candidate]:
        """Return feasible configurations next to members of the front, once FIRST results meet the constraints."""
        told = _told(trials)
        measured = [trial for trial in told if not trial.user_attrs.get(SPREAD) and _meets_constraints(trial)]
        if len(measured) < FIRST:
            return []
        losses = self._losses_of(measured)
        best = {tuple(point) for point in non_dominated(losses)}
        front = [trial for trial, point in zip(measured, losses, strict=True) if tuple(point) in best]
        dice = np.random.default_rng([self._configurations.spec.seed, number, NEAR])
        parents = (self._tried[front[index].number].drawn for index in dice.integers(len(front), size=NEAR))
        drawn = (near(self._configurations, parent, dice) for parent in parents)
        return [replace(self._see(one), is_random=False) for one in drawn if self._is_feasible(one)]

    def _candidate(self, place: int) -> Candidate | None:
        """Return a random configuration; None for one that cannot be carried out."""
        dice = np.random.default_rng([self._configurations.spec.seed, place])
        drawn = self._configurations.draw(lambda _, distribution: value_at(distribution, float(dice.random())))
        return self._see(drawn) if self._is_feasible(drawn) else None

    def _best(self, candidates: Sequence[Candidate], trials: Sequence[FrozenTrial]) -> int:
        """Return the index of the candidate to try: of the largest expected gain, once there are results."""
        told = _told(trials)
        if len(told) < FIRST:
            return farthest(known(candidates), known([self._tried[trial.number] for trial in trials]))
        return int(np.argmax(self._gain(candidates, told, trials) * self._novelty(candidates, trials)))

    def _novelty(self, candidates: Sequence[Candidate], trials: Sequence[FrozenTrial]) -> Array:
        tried = [self._tried[trial.number] for trial in trials]
        chance = np.array([one.is_random for one in candidates])
        return novelty(known(candidates), known(tried), self._encoding.columns.paradigms, chance)

    def _gain(
        self,
        candidates: Sequence[Candidate],
        told: Sequence[FrozenTrial],
        trials: Sequence[FrozenTrial],
        asked: frozenset[int] = frozenset(),
    ) -> Array:
        """Return the expected gain of hypervolume of each candidate; those `asked` are learnt from in any case."""
        pending = [self._tried[trial.number] for trial in trials if trial.state == TrialState.RUNNING]
        losses = self._shares(self._losses_of(told))
        measured = np.array([not trial.user_attrs.get(SPREAD) for trial in told])
        expected = self._learnt(told, len(trials), asked).predict(known([*candidates, *pending]))
        samples = self._together(np.exp(expected.costs), expected.others[:, :, : int((~self._is_cost).sum())])
        front = np.vstack([losses[measured & _feasible(told)], samples[len(candidates) :].mean(axis=1)])
        dice = np.random.default_rng([self._configurations.spec.seed, len(trials)])
        best = non_dominated(front)
        gain = gains(samples[: len(candidates)], best, _reference(front, best, samples), dice)
        likely = expected.others[: len(candidates), :, int((~self._is_cost).sum()) :].mean(axis=1)
        return np.asarray(gain * np.clip(likely, 0, 1).prod(axis=1))

    def _learnt(self, told: Sequence[FrozenTrial], number: int, asked: frozenset[int]) -> Surrogate:
        """Return what is learnt from results; the same as before where they are the same."""
        last = last_learnt(number)
        early = [trial for trial in told if self._places[trial.number] < last or trial.number in asked] or told
        telling = set(_most_telling(self._losses_of(early)))
        chosen = [one for index, one in enumerate(early) if index in telling or one.number in asked]
        learnt_from = [(trial.number, trial.values, trial.user_attrs) for trial in chosen]
        if self._surrogate is None or learnt_from != self._learnt_from:
            known_ = known([self._tried[trial.number] for trial in chosen])
            self._surrogate = Surrogate(self._encoding.columns, known_, self._results(chosen))
            self._learnt_from = learnt_from
        return self._surrogate

    def _results(self, told: Sequence[FrozenTrial]) -> Results:
        """Return what the model learns from; where some miss constraints, that is learnt like an objective."""
        shares = self._shares(self._losses_of(told))
        spread = np.array([trial.user_attrs.get(SPREAD) or [0.0] * len(self._signs) for trial in told])
        costs = np.log(np.clip(shares[:, self._is_cost], LEAST, None))
        others, spread = shares[:, ~self._is_cost], QUARTILE * spread[:, ~self._is_cost]
        feasible = _feasible(told)
        if not feasible.all():
            others = np.column_stack([others, feasible.astype(np.float64)])
            spread = np.column_stack([spread, np.zeros(len(told))])
        return Results(costs, others, spread)

    def _losses_of(self, told: Sequence[FrozenTrial]) -> Points:
        return np.asarray(self._signs * np.array([trial.values for trial in told]))

    def _shares(self, losses: Points) -> Points:
        """Return losses with costs as shares of the unpruned network's."""
        scale = np.ones(len(self._signs))
        scale[self._is_cost] = list(self._dense.values())
        return np.asarray(losses / scale)

    def _together(self, costs: Array, others: Array) -> Array:
        together = np.empty((*costs.shape[:2], len(self._signs)))
        together[:, :, self._is_cost], together[:, :, ~self._is_cost] = costs, others
        return together

    def _see(self, drawn: Drawn) -> Candidate:
        expected = self._expected(drawn)
        bounds = [_share(expected.get(name), dense) for name, dense in self._dense.items()]
        low, high = (np.log([max(LEAST, getattr(one, end)) for one in bounds]) for end in ("low", "high"))
        return Candidate(drawn, key_of(drawn), self._encoding.row(drawn), low, high)

    def _expected(self, drawn: Drawn) -> Mapping[str, Bounds]:
        """Return what is known of a draw's costs: nothing of an earlier study's that lacks what is searched here."""
        try:
            params = self._configurations.params(drawn)
        except KeyError:
            return {}
        return self._configurations.expected_costs(str(drawn[PARADIGM]), params, roughly=True)


def _told(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state == TrialState.COMPLETE and _is_finite(trial)]


def _feasible(told: Sequence[FrozenTrial]) -> npt.NDArray[np.bool_]:
    return np.array([_meets_constraints(trial) for trial in told])


def _meets_constraints(trial: FrozenTrial) -> bool:
    return bool(trial.user_attrs.get(MISSED, 0.0) <= 0)


def last_learnt(number: int) -> int:
    """Return before which trial a draw's model stops to learn: a longer study learns less often, by its numbers alone.

    The front, and what is running, is always the newest.
    """
    each = 1 << max(0, int(math.log2(max(1, number) / EACH)))
    return number // each * each


def _unpruned(configurations: Configurations) -> dict[str, float]:
    """Return the costs of the largest network before anything is pruned, as far as they are known."""
    each = [configurations.unpruned_costs({MODEL: network.label}) for network in configurations.spec.networks]
    return {name: max(costs[name].high for costs in each) for name in COSTS if all(name in costs for costs in each)}


def _share(expected: Bounds | None, dense: float) -> Bounds:
    return Bounds(0.0, 1.0) if expected is None else Bounds(expected.low / dense, expected.high / dense)


def _is_finite(trial: FrozenTrial) -> bool:
    return all(map(math.isfinite, trial.values))


def _most_telling(losses: Points) -> list[int]:
    """Return which results the model learns from, in order: the front's, and the newest."""
    if len(losses) <= MOST_LEARNT:
        return list(range(len(losses)))
    best = {tuple(point) for point in non_dominated(losses)}
    front = [index for index, point in enumerate(losses) if tuple(point) in best][-MOST_LEARNT // 2 :]
    newest = (index for index in reversed(range(len(losses))) if index not in set(front))
    return sorted([*front, *(index for _, index in zip(range(MOST_LEARNT - len(front)), newest, strict=False))])


def _reference(front: Points, best: Points, samples: Array) -> Array:
    """Return a point a little beyond the worst result, so that a front may still grow beyond its ends."""
    if not len(front):
        return np.asarray(samples.max(axis=(0, 1)))
    extent = np.ptp(best, axis=0)
    worst = np.where(extent > 0, np.minimum(front.max(axis=0), best.max(axis=0) + REACH * extent), front.max(axis=0))
    whole = np.ptp(np.vstack([best, samples.reshape(-1, best.shape[1])]), axis=0)
    return np.asarray(worst + np.where(extent > 0, BEYOND * (worst - best.min(axis=0)), whole))

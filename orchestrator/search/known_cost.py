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
from typing import ClassVar, Final

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from orchestrator.results.front import Points, non_dominated, sign
from orchestrator.search.candidates import Candidate, Drawn, farthest, key_of, known, novelty
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.encoding import Encoding
from orchestrator.search.expected_gain import gains
from orchestrator.search.feasible_draws import QUARTILE, SPREAD, FeasibleDraws, Weighed
from orchestrator.search.gaussian_process import Array
from orchestrator.search.initial_design import value_at
from orchestrator.search.neighbours import near
from orchestrator.search.one_thread import on_one_thread
from orchestrator.search.surrogate import Results, Surrogate
from orchestrator.search.told import Told
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
        candidates = self._pool(0) if self._configurations.searched else []
        if not self._dense or not candidates:
            return False
        apart = np.array([(one.high - one.low).min() for one in candidates])
        return bool((apart <= math.log1p(EXACTLY)).mean() >= FORETOLD)

    def draw(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Value], number: int
    ) -> dict[str, Value]:
        trials = self._take_note(study)
        told = Told.of(trials, self._signs)
        candidates = self._untried(number, trials, told, given)
        candidates = self._of_neglected(candidates, trials) or candidates
        if not candidates:
            return super().draw(study, trial, given, number)
        return candidates[self._best(candidates, told, trials)].drawn

    def weigh(self, study: optuna.Study, asked: Sequence[int], number: int) -> Weighed | None:
        """Weigh going on with stopped trials, given by their numbers in the view, against beginning trial `number`."""
        trials = self._take_note(study)
        told = Told.of(trials, self._signs)
        candidates = self._untried(number, trials, told, {})
        if len(told) < FIRST or not candidates:
            return None
        there = [self._tried[trial] for trial in asked]
        with on_one_thread():
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

    def _untried(
        self, number: int, trials: Sequence[FrozenTrial], told: Told, given: Mapping[str, Value]
    ) -> list[Candidate]:
        """Return the candidates of a draw that were not tried."""
        tried = {self._tried[other.number].key for other in trials}
        pool = [*self._pool(number), *self._near(number, told)]
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

    def _near(self, number: int, told: Told) -> list[Candidate]:
        """Return feasible configurations next to members of the front, once FIRST results meet the constraints."""
        if len(told.reached) < FIRST:
            return []
        front = told.on_front()
        dice = np.random.default_rng([self._configurations.spec.seed, number, NEAR])
        parents = (self._tried[front[index].number].drawn for index in dice.integers(len(front), size=NEAR))
        drawn = (near(self._configurations, parent, dice) for parent in parents)
        seen = (self._see_feasible(one, is_random=False) for one in drawn)
        return [candidate for candidate in seen if candidate is not None]

    def _candidate(self, place: int) -> Candidate | None:
        """Return a random configuration; None for one that cannot be carried out."""
        dice = np.random.default_rng([self._configurations.spec.seed, place])
        drawn = self._configurations.draw(lambda _, distribution: value_at(distribution, float(dice.random())))
        return self._see_feasible(drawn, is_random=True)

    def _best(self, candidates: Sequence[Candidate], told: Told, trials: Sequence[FrozenTrial]) -> int:
        """Return the index of the candidate to try: of the largest expected gain, once there are results."""
        if len(told) < FIRST:
            return farthest(known(candidates), known([self._tried[trial.number] for trial in trials]))
        with on_one_thread():
            return int(np.argmax(self._gain(candidates, told, trials) * self._novelty(candidates, trials)))

    def _novelty(self, candidates: Sequence[Candidate], trials: Sequence[FrozenTrial]) -> Array:
        tried = [self._tried[trial.number] for trial in trials]
        chance = np.array([one.is_random for one in candidates])
        return novelty(known(candidates), known(tried), self._encoding.columns.paradigms, chance)

    def _gain(
        self,
        candidates: Sequence[Candidate],
        told: Told,
        trials: Sequence[FrozenTrial],
        asked: frozenset[int] = frozenset(),
    ) -> Array:
        """Return the expected gain of hypervolume of each candidate; those `asked` are learnt from in any case."""
        pending = [self._tried[trial.number] for trial in trials if trial.state == TrialState.RUNNING]
        expected = self._learnt(told, len(trials), asked).predict(known([*candidates, *pending]))
        samples = self._together(np.exp(expected.costs), expected.others[:, :, : int((~self._is_cost).sum())])
        believed = samples[len(candidates) :].mean(axis=1)
        reached, best = (self._shares(losses) for losses in (told.reached, told.best))
        dice = np.random.default_rng([self._configurations.spec.seed, len(trials)])
        best = non_dominated(np.vstack([best, believed]))
        reference = _reference(np.vstack([reached, believed]), best, samples)
        gain = gains(samples[: len(candidates)], best, reference, dice)
        likely = expected.others[: len(candidates), :, int((~self._is_cost).sum()) :].mean(axis=1)
        return np.asarray(gain * np.clip(likely, 0, 1).prod(axis=1))

    def _learnt(self, told: Told, number: int, asked: frozenset[int]) -> Surrogate:
        """Return what is learnt from results; the same as before where they are the same."""
        last, numbers = last_learnt(number), [trial.number for trial in told.trials]
        early = [row for row, one in enumerate(numbers) if self._places[one] < last or one in asked]
        told = told.only(early) if early else told
        telling = set(told.most_telling())
        chosen = told.only([row for row, one in enumerate(told.trials) if row in telling or one.number in asked])
        learnt_from = [(trial.number, trial.values, trial.user_attrs) for trial in chosen.trials]
        if self._surrogate is None or learnt_from != self._learnt_from:
            known_ = known([self._tried[trial.number] for trial in chosen.trials])
            self._surrogate = Surrogate(self._encoding.columns, known_, self._results(chosen))
            self._learnt_from = learnt_from
        return self._surrogate

    def _results(self, told: Told) -> Results:
        """Return what the model learns from; where some miss constraints, that is learnt like an objective."""
        shares = self._shares(told.losses)
        spread = np.array([trial.user_attrs.get(SPREAD) or [0.0] * len(self._signs) for trial in told.trials])
        costs = np.log(np.clip(shares[:, self._is_cost], LEAST, None))
        others, spread = shares[:, ~self._is_cost], QUARTILE * spread[:, ~self._is_cost]
        if not told.meets.all():
            others = np.column_stack([others, told.meets.astype(np.float64)])
            spread = np.column_stack([spread, np.zeros(len(told))])
        return Results(costs, others, spread)

    def _shares(self, losses: Points) -> Points:
        """Return losses with costs as shares of the unpruned network's."""
        scale = np.ones(len(self._signs))
        scale[self._is_cost] = list(self._dense.values())
        return np.asarray(losses / scale)

    def _together(self, costs: Array, others: Array) -> Array:
        together = np.empty((*costs.shape[:2], len(self._signs)))
        together[:, :, self._is_cost], together[:, :, ~self._is_cost] = costs, others
        return together

    def _see_feasible(self, drawn: Drawn, *, is_random: bool) -> Candidate | None:
        """Return a draw as a candidate; None where it cannot be carried out, or would break a constraint."""
        params = self._configurations.params(drawn)
        if not self._is_allowed(str(drawn[PARADIGM]), params):
            return None
        return self._seen(drawn, params, is_random=is_random)

    def _see(self, drawn: Drawn) -> Candidate:
        """Return a trial's configuration; one of an earlier study may lack what is searched here."""
        try:
            params = self._configurations.params(drawn)
        except KeyError:
            params = None
        return self._seen(drawn, params, is_random=True)

    def _seen(self, drawn: Drawn, params: Mapping[str, Value] | None, *, is_random: bool) -> Candidate:
        """Return a configuration with what is known of its costs: nothing without its hyper-parameters."""
        costs = self._configurations.expected_costs
        expected = {} if params is None else costs(str(drawn[PARADIGM]), params, roughly=True)
        bounds = [_share(expected.get(name), dense) for name, dense in self._dense.items()]
        low, high = (np.log([max(LEAST, getattr(one, end)) for one in bounds]) for end in ("low", "high"))
        return Candidate(drawn, key_of(drawn), self._encoding.row(drawn), low, high, is_random)


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


def _reference(front: Points, best: Points, samples: Array) -> Array:
    """Return a point a little beyond the worst result, so that a front may still grow beyond its ends."""
    if not len(front):
        return np.asarray(samples.max(axis=(0, 1)))
    extent = np.ptp(best, axis=0)
    worst = np.where(extent > 0, np.minimum(front.max(axis=0), best.max(axis=0) + REACH * extent), front.max(axis=0))
    whole = np.ptp(np.vstack([best, samples.reshape(-1, best.shape[1])]), axis=0)
    return np.asarray(worst + np.where(extent > 0, BEYOND * (worst - best.min(axis=0)), whole))

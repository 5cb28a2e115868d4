"""What to try next: every paradigm once, then what the sampler draws."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Final

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.trial import Configuration, Draft, Named
from orchestrator.results.front import pareto_front, spread
from orchestrator.search import initial_design
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.extension import to_try_again
from orchestrator.search.foresight import Foresight
from orchestrator.search.initial_design import FIRST, SOBOL
from orchestrator.search.known_cost import KnownCostDraws
from orchestrator.search.replication import REPLICATE, next_replicate
from orchestrator.search.sampler_policy import BREEDS, GENERATIONS_LAST, Policy
from orchestrator.search.sampler_view import Draw, Lesson, View, lesson
from orchestrator.search.samplers import SamplerName
from trainables.spec import Value

FIXED, AGAIN = "fixed", "again"
"""Recorded instead of a sampler's name if there was nothing to choose, or if a trial is repeated with more epochs."""

WISER: Final = 1.25
"""Estimates for stopped trials are redone when finished trials have grown by this factor: rarely enough for thousands
of trials. Where who goes on is decided by them, each finished trial counts: a resumed study estimates anew."""


class Proposer:
    """Decides what is tried and writes it to the ledger.

    A paradigm with nothing to search is tried once; if the study has only such paradigms, they are repeated with new
    seeds. A configuration that is drawn again also gets the next seed, which makes it a replicate. With `search.seeds`
    the last trials are replicates of the front, or of everything (`replication.py`).

    If drawing is slow, one suggestion is drawn ahead, in a thread, while trials run. Only the sampler's view knows of
    it until it is handed out.
    """

    def __init__(
        self,
        configurations: Configurations,
        ledger: Ledger,
        foresight: Foresight,
        earlier: Iterable[Lesson] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Start from the ledger's records and what `earlier` studies teach.

        Stopped trials teach what `foresight` expects of them, which its owner teaches.
        `clock` gives the seconds at which trials are handed out, `spent` the share of the budget that is spent.
        """
        self._configurations, self._spec = configurations, configurations.spec
        self._ledger = ledger
        self._foresight = foresight
        self._clock, self._spent = clock, spent
        records = ledger.records()
        self._policy = Policy(
            self._spec,
            {record.sampler for record in records},
            numeric=configurations.are_numeric,
            knows=lambda: KnownCostDraws(configurations).foretells,
        )
        self._tried = Counter(_key(record.paradigm, record.params) for record in records)
        self._again = to_try_again(configurations, records)
        tried = {record.paradigm for record in [*(one for one in records if one.share == 1), *self._again]}
        self._untried = [paradigm for paradigm in self._spec.paradigms if paradigm not in tried]
        self._running: dict[int, int] = {}
        """Trials the sampler has not been told about yet, with their keys in the view."""
        self._stopped: dict[int, int] = {}
        """Stopped and paused trials, whose ends were estimated for the sampler, with their keys in the view."""
        self._guessed_from = 0
        """How many finished trials those estimates are based on."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sampler")
        self._earlier = list(earlier)
        self._prepared: Future[Draw] | None = None
        self._view = self._new_view()
        self._first = iter(initial_design.spread(configurations) if self._begins_spread(records) else ())

    def propose(self) -> tuple[int, Configuration]:
        """Create the next trial; return its number and configuration."""
        self._make_ready()
        key, draft = self._next()
        number = self._ledger.ask(draft)
        self._note(number, key)
        self._policy.pace.handed_out(self._clock())
        if self._prepared is None and self._policy.prepares and not self._untried:
            self._prepared = self._thread.submit(self._draw, {}, self._ledger.asked)
        return number, draft.configuration

    def refusal(self, configuration: Configuration, *, untrained: bool) -> str | None:
        """Return why a configuration is not carried out, or None if it is.

        One that surely breaks a constraint by its cost is not, unless its training has begun.
        """
        paradigm, params = configuration.paradigm, configuration.params
        refusal = self._configurations.refusal(paradigm, params)
        return self._configurations.breach(paradigm, params) if refusal is None and untrained else refusal

    def resumed(self, number: int) -> None:
        """Note that a paused trial continues: the view will be told its final result."""
        if number in self._stopped:
            self._running[number] = self._stopped.pop(number)

    @property
    def weighs(self) -> bool:
        """Whether the sampler can weigh going on with stopped trials."""
        return self._view.weighs

    def is_worth(self, number: int, epoch: Epoch) -> bool | None:
        """Return whether a trial that has come so far gains more for each epoch left to it than a new one would.

        None if the sampler cannot weigh that yet.
        """
        self._make_ready()
        key = self._running.get(number)
        estimate = lesson(self._spec, replace(self._ledger.record(number), state=State.PAUSED), self._foresight)
        if key is None or estimate is None or estimate.values is None:
            return None
        self._view.tell(key, estimate)
        weighed = self._view.weigh([key], self._ledger.asked)
        self._view.reopen(key)
        return None if weighed is None else weighed.going_on[key] / (1 - epoch.fidelity) >= weighed.beginning

    def worthiest(self, paused: Collection[int]) -> tuple[int | None, bool]:
        """Return which paused trial gains the most for each epoch left to it, if more than a new one would.

        The second says whether the sampler can weigh that now.
        """
        self._make_ready()
        keys = {number: self._stopped[number] for number in paused if number in self._stopped}
        weighed = self._view.weigh(list(keys.values()), self._ledger.asked) if keys else None
        if weighed is None:
            return None, False
        gains = {
            number: weighed.going_on[key] / (1 - self._ledger.record(number).fidelity) for number, key in keys.items()
        }
        best = max(gains, key=gains.__getitem__)
        return (best if gains[best] > weighed.beginning else None), True

    def _next(self) -> tuple[int | None, Draft]:
        if self._again:
            return self._repeated(self._again.pop(0))
        settled = self._configurations.settled
        if not self._configurations.searched:
            return None, self._fixed(settled[self._ledger.asked % len(settled)])
        replicated = self._replicated() if not self._untried else None
        if replicated is not None:
            return self._chosen(replicated, REPLICATE)
        paradigm = self._untried.pop(0) if self._untried else None
        if paradigm in settled:
            return None, self._fixed(paradigm)
        first = next(filter(self._is_new, self._first), None)
        if first is not None:
            return self._chosen(self._seeded(*first), SOBOL)
        return self._drawn({} if paradigm is None else {PARADIGM: paradigm})

    def _replicated(self) -> Configuration | None:
        """Return the configuration that gets its next seed now, or None if one is searched."""
        if self._spec.search.seeds == 1:
            return None  # without reading all trials
        record = next_replicate(self._configurations, self._ledger.records(), spent=self._spent())
        return None if record is None else self._seeded(record.paradigm, record.params)

    def _begins_spread(self, records: Sequence[TrialRecord]) -> bool:
        """Return whether the next configurations are spread: with a single searched paradigm, before any are drawn.

        With several paradigms each trial uses only a part of the space, and points spread over all of it fill no part.
        """
        drawn = any(record.sampler not in (FIXED, AGAIN, REPLICATE, SOBOL) for record in records)
        knows = self._earlier or drawn or sum(record.sampler == SOBOL for record in records) >= FIRST
        begins_otherwise = self._view.name in ("random", "known_cost")  # which spreads over the costs that are known
        return len(self._configurations.searched) == 1 and not begins_otherwise and not knows

    def _is_new(self, chosen: tuple[str, Named]) -> bool:
        """Return whether a configuration can be carried out and has not been tried yet."""
        refused = self._configurations.refusal(*chosen) or self._configurations.breach(*chosen)
        return _key(*chosen) not in self._tried and refused is None

    def _repeated(self, record: TrialRecord) -> tuple[int | None, Draft]:
        """Repeat a trial's configuration and seed with the study's present epochs."""
        return self._chosen(Configuration(record.paradigm, record.params, record.seed), AGAIN)

    def _chosen(self, chosen: Configuration, by: str) -> tuple[int | None, Draft]:
        """Try a configuration that the sampler did not draw, but learns from like any other."""
        drawn = self._configurations.drawn_as(chosen.paradigm, chosen.params)
        key = self._view.take_up(Lesson(chosen.paradigm, chosen.params, State.RUNNING))
        return key, Draft(chosen, by, drawn, self._view.distributions(drawn))

    def _fixed(self, paradigm: str) -> Draft:
        return Draft(self._seeded(paradigm, self._configurations.fixed(paradigm)), FIXED, {}, {})

    def _drawn(self, given: dict[str, Value]) -> tuple[int, Draft]:
        prepared, self._prepared = (None, self._prepared) if given else (self._prepared, None)
        key, drawn = prepared.result() if prepared is not None else self._draw(given, self._ledger.asked)
        configuration = self._seeded(str(drawn[PARADIGM]), self._configurations.params(drawn))
        return key, Draft(configuration, self._view.name, drawn, self._view.distributions(drawn))

    def _draw(self, given: dict[str, Value], number: int) -> Draw:
        begun = time.perf_counter()
        try:
            return self._view.draw(given, number)
        finally:
            self._policy.pace.drew(time.perf_counter() - begun)

    def _seeded(self, paradigm: str, params: Named) -> Configuration:
        key = _key(paradigm, params)
        self._tried[key] += 1
        return Configuration(paradigm, params, self._spec.seed + self._tried[key] - 1)

    def _note(self, number: int, key: int | None) -> None:
        if key is not None:
            self._running[number] = key

    def _note_stopped(self, record: TrialRecord, key: int | None) -> None:
        if record.state in (State.PRUNED, State.PAUSED) and key is not None:
            self._stopped[record.trial] = key

    def _make_ready(self) -> None:
        """Tell the view the results of its trials, and replace it if another sampler is due."""
        if self._prepared is not None:
            wait([self._prepared])  # the thread has the view to itself while it draws
        for number, key in list(self._running.items()):
            record = self._ledger.record(number)
            if record.state is not State.RUNNING:
                self._view.tell(key, lesson(self._spec, record, self._foresight))
                del self._running[number]
                self._note_stopped(record, key)
        self._guess_again()
        name = self._sampler()
        if name != self._view.name or (name == BREEDS and self._view.drawn >= GENERATIONS_LAST):
            self._prepared = None
            self._view = self._new_view()

    def _guess_again(self) -> None:
        """Tell the view again what stopped trials are expected to reach, once clearly more trials have finished.

        Until the first trial has finished, the estimate is simply the last report.
        """
        if self._foresight.whole > (1 if self._view.weighs else WISER) * self._guessed_from:
            self._guessed_from = self._foresight.whole
            for number, key in self._stopped.items():
                self._view.tell(key, lesson(self._spec, self._ledger.record(number), self._foresight))

    def _sampler(self) -> SamplerName:
        return self._policy.sampler(self._ledger.asked - len(self._running))

    def _new_view(self) -> View:
        asked, records = self._ledger.asked, self._ledger.records()
        name, population = self._sampler(), self._policy.population(len(self._running))
        view = View(self._configurations, name, population=population)
        self._running.clear()
        self._stopped.clear()
        self._guessed_from = self._foresight.whole
        for taught in self._earlier if name != BREEDS or asked < GENERATIONS_LAST else ():
            view.take_up(taught)
        for record in self._with_offspring(records, population) if name == BREEDS else records:
            known = lesson(self._spec, record, self._foresight)
            key = view.take_up(known) if known is not None else None
            if record.state is State.RUNNING:
                self._note(record.trial, key)
            self._note_stopped(record, key)
        return view

    def _with_offspring(self, records: list[TrialRecord], population: int) -> list[TrialRecord]:
        """Return running trials, the newest ones, and the members of the front that may still be parents.

        The front is limited to one generation, since the sampler would choose no more; if many trials have equal
        values, most of a study is on the front.
        """
        objectives, newest = self._spec.objectives, len(records) - GENERATIONS_LAST
        parents = spread(pareto_front(records, objectives), objectives, population)
        front = {record.trial for record in parents}
        return [one for one in records if one.trial >= newest or one.trial in front or one.state is State.RUNNING]


def _key(paradigm: str, params: object) -> str:
    return json.dumps([paradigm, params], sort_keys=True)

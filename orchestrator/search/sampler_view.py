"""A study as its sampler sees it: in memory, made from the ledger, with lessons from earlier studies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from orchestrator.ledger import optuna_internals
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.ledger.stored_trial import violations
from orchestrator.ledger.trial import Named
from orchestrator.search.configurations import Configurations
from orchestrator.search.feasible_draws import MISSED, SPREAD, Weighed
from orchestrator.search.foresight import Foresight
from orchestrator.search.samplers import SamplerName, draws_for
from orchestrator.spec.study_spec import StudySpec
from trainables.spec import Value

Draw = tuple[int, dict[str, Value]]
"""The key of a trial in its view, and what was drawn for it, by the sampler's names."""


@dataclass(frozen=True)
class Lesson:
    """What a sampler learns from a trial: what was tried, and its result.

    `values` are those of the objectives, in the study's order: measured for a COMPLETE trial, estimated for a stopped
    one. `violations` say by how much constraints are missed, in Optuna's sense.
    """

    paradigm: str
    params: Named
    state: State
    values: Sequence[float] | None = None
    violations: Mapping[str, float] = field(default_factory=dict)
    spread: Sequence[float] = ()
    """Half the range in which half of such trials come to lie, by objective; empty for what was measured."""

    @property
    def attributes(self) -> dict[str, object]:
        """What the view keeps beside values, for samplers of our own."""
        return {MISSED: sum(max(0.0, missed) for missed in self.violations.values()), SPREAD: list(self.spread)}


def lesson(spec: StudySpec, record: TrialRecord, foresight: Foresight | None = None) -> Lesson | None:
    """Return what a study's sampler learns from a trial; None if there is nothing to learn.

    With `foresight`, stopped and paused trials teach their estimated final metrics. Raises KeyError for a COMPLETE
    trial of another study that has not measured a metric of this one.
    """
    if record.share < 1:
        return None  # results of fewer epochs would look too bad beside those of the current ones
    if record.state is State.COMPLETE:
        return _measured(spec, record, record.metrics)
    if record.state in (State.PRUNED, State.PAUSED):
        foreseen = foresight.metrics(record) if foresight is not None else None
        if foresight is None or not foreseen:
            return Lesson(record.paradigm, record.params, State.PRUNED)
        spread = foresight.spread(record)
        return replace(_measured(spec, record, foreseen), spread=[spread[name] for name in spec.objectives])
    return Lesson(record.paradigm, record.params, record.state)


def _measured(spec: StudySpec, record: TrialRecord, metrics: Mapping[str, float]) -> Lesson:
    values = [metrics[objective] for objective in spec.objectives]
    return Lesson(record.paradigm, record.params, State.COMPLETE, values, violations(spec, metrics))


class View:
    """The trials that one sampler knows of a study, from which it draws the next.

    For a sampler that breeds, trials that the view did not draw itself are the first generation of parents.
    """

    def __init__(self, configurations: Configurations, name: SamplerName, *, population: int) -> None:
        self.name = name
        self.drawn = 0
        self._configurations, spec = configurations, configurations.spec
        self._draws = draws_for(name, configurations, population)
        self._storage = InMemoryStorage()
        directions = [optuna.study.StudyDirection[direction.upper()] for direction in spec.objectives.values()]
        self._id = self._storage.create_new_study(directions, spec.name)
        self._study = optuna.Study(spec.name, self._storage)

    def draw(self, given: Mapping[str, Value], number: int) -> Draw:
        """Draw the configuration of trial `number`; values in `given` are kept."""
        optuna_internals.forget_cached_trials(self._study)
        self.drawn += 1
        key = self._storage.create_new_trial(self._id)
        drawn = self._draws.draw(self._study, self._storage.get_trial(key), given, number)
        for name, distribution in self.distributions(drawn).items():
            self._storage.set_trial_param(key, name, distribution.to_internal_repr(drawn[name]), distribution)
        return key, drawn

    @property
    def weighs(self) -> bool:
        """Whether the sampler can weigh going on with stopped trials."""
        return self._draws.weighs

    def weigh(self, asked: Sequence[int], number: int) -> Weighed | None:
        """Weigh going on with stopped trials, given by their keys, against beginning trial `number`."""
        optuna_internals.forget_cached_trials(self._study)
        return self._draws.weigh(self._study, asked, number)

    def reopen(self, key: int) -> None:
        """Take a trial's result back: it goes on."""
        optuna_internals.reopen(self._storage, key)

    def take_up(self, lesson: Lesson) -> int | None:
        """Learn from a trial that was not drawn here; return its key, or None if it teaches nothing."""
        drawn = self._configurations.drawn_as(lesson.paradigm, lesson.params)
        if not drawn:
            return None
        if self._draws.joint:
            drawn = self._draws.fill(self._study, optuna.trial.create_trial(state=TrialState.RUNNING), drawn)
        template = optuna.trial.create_trial(
            state=TrialState[lesson.state.value],
            values=lesson.values,
            params=drawn,
            distributions=self.distributions(drawn),
            user_attrs=lesson.attributes,
            system_attrs=dict(optuna_internals.FIRST_GENERATION),
            constraints=dict(lesson.violations),
        )
        return self._storage.create_new_trial(self._id, template)

    def tell(self, key: int, lesson: Lesson | None) -> None:
        """Learn a trial's result, which replaces what was learnt before if the trial had been stopped or paused."""
        if self._storage.get_trial(key).state.is_finished():
            optuna_internals.reopen(self._storage, key)
        if lesson is None:
            self._storage.set_trial_state_values(key, TrialState.FAIL)
            return
        for name, violation in optuna_internals.constraints_as_attributes(lesson.violations).items():
            self._storage.set_trial_system_attr(key, name, violation)
        for name, attribute in lesson.attributes.items():
            self._storage.set_trial_user_attr(key, name, attribute)
        self._storage.set_trial_state_values(key, TrialState[lesson.state.value], lesson.values)

    def distributions(self, drawn: Mapping[str, Value]) -> dict[str, BaseDistribution]:
        """Return the distribution of each value of a draw."""
        return {name: self._configurations.distributions[name] for name in drawn}

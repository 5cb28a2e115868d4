"""Checks in seconds, before any trial runs, whether a study's networks support what its paradigms do."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from orchestrator.ledger.trial import Named
from orchestrator.search.configurations import Configurations
from orchestrator.search.expected_costs import Placed, unplaced
from orchestrator.search.initial_design import at_random
from orchestrator.search.task_check import TaskCheck
from orchestrator.spec.choices import ends
from orchestrator.spec.params import MODEL, OPTION, Params
from orchestrator.spec.spec_errors import ABSENT, Problem, StudyError
from orchestrator.spec.study_spec import StudySpec
from trainables import data, models, tasks
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.metrics import is_function
from trainables.recipes.recipe import Recipe
from trainables.spec import TrialSpec, Value

if TYPE_CHECKING:
    from trainables.methods.rehearsal import Demand
    from trainables.state import LiveTrial

CONFIGURATIONS: Final = 100
"""How many configurations of a paradigm are checked; most checks cost no more than making a recipe."""


@dataclass(frozen=True)
class Attempted:
    """A configuration of a paradigm, and the reason if the network does not support it."""

    params: Named
    recipe: Recipe
    reason: str | None


class NetworkCheck:
    """Checks the paradigms of a study against its networks, each built once, with shapes only."""

    def __init__(self, spec: StudySpec, placed: Placed = unplaced) -> None:
        self._spec, self._configurations, self._placed = spec, Configurations(spec), placed
        self._reasons: dict[tuple[str, frozenset[Demand]], str | None] = {}
        self._built_with: dict[tuple[str, str], str | None] = {}
        self._attempted: dict[str, list[Attempted]] = {}

    def require_work(self) -> None:
        """Raise StudyError, with a reason for each paradigm, if none of the study's configurations can run.

        Raises InvalidValue for a network that cannot be built, also with a value of an option that the study searches.
        """
        self._require_options()
        if self._spec.search.sampler == "graph":
            self._require_graph()
        self._require_metrics()
        problems = [self._refusal(name) for name in self._spec.paradigms]
        if problems and all(problems):
            raise StudyError([problem for problem in problems if problem is not None])

    def impossible(self) -> list[Problem]:
        """Return the paradigms and choices of the study that its networks do not support, each with the reason."""
        return [problem for name in self._spec.paradigms for problem in self._problems(name)]

    def removable_macs(self) -> float | None:
        """Return the share of a network's MACs that removing filters can save; None if no filters are removed.

        Of several networks, it is that of which the largest share can be saved.
        """
        from trainables.methods.rehearsal import removable_macs

        removing = [demand for name in self._spec.paradigms for demand in self._filter_demands(name)]
        networks = self.networks.values() if removing else ()
        return max((removable_macs(network, stream=any(removing)) for network in networks), default=None)

    @property
    def shapes(self) -> "LiveTrial":
        """A trial with the study's first network, which has shapes but no numbers."""
        return next(iter(self.networks.values()))

    @cached_property
    def networks(self) -> dict[str, "LiveTrial"]:
        """The networks by their labels, without the options that are searched."""
        several = len(self._spec.networks) > 1
        return {
            network.label: self._built({MODEL: network.label}, f"model[{index}]" if several else "model")
            for index, network in enumerate(self._spec.networks)
        }

    def _require_metrics(self) -> None:
        """Raise InvalidValue for a metric by reference that cannot be measured on an untrained network of the study."""
        if self._spec.task != tasks.CLASSIFICATION:
            TaskCheck(self._spec, self._facts).require_task(self.shapes)
        classes = self.shapes.dataset.classes
        if "top5" in self._spec.measured and classes <= 5:
            raise InvalidValue(
                "objectives.top5", classes, "is 100 % for any network: needs data of more than 5 classes"
            )
        if self._spec.evaluation is not None:
            from trainables.evaluation.on_validation import require_fit

            require_fit(self._spec.evaluation, self.shapes.dataset.input_shape)
        references = list(filter(is_function, self._spec.measured))
        if references:
            from trainables.structure.own_metric import measure_by

            trial = self.shapes
            network, shape = trial.spec.model, trial.dataset.input_shape
            model = models.build(
                network.name, classes=trial.dataset.classes, input_shape=shape, options=network.options
            )
            for reference in references:
                measure_by(reference, model, shape)

    def _require_options(self) -> None:
        """Raise InvalidValue if a network cannot be built with a value that the study names for an option."""
        for label in self.networks:
            for name, choice in self._spec.search.options.items():
                if self._configurations.takes(label, name):
                    for value in ends(choice):
                        self._built({MODEL: label, f"{OPTION}{name}": value}, "search")

    def _require_graph(self) -> None:
        """Raise InvalidValue unless the study has one network, and that one's layers are a graph."""
        from trainables.structure.width_graph import Nodes

        if len(self.networks) > 1:
            allowed = "learns from the layers of one network, and the study has several; name one, or use known_cost"
            raise InvalidValue("search.sampler", "graph", allowed)
        try:
            Nodes.of(self.shapes.model, self.shapes.dataset.input_shape)
        except InfeasibleTrial as infeasible:
            raise InvalidValue("search.sampler", "graph", f"is not for this study, for {infeasible}") from infeasible

    def _built(self, params: Named, section: str) -> "LiveTrial":
        """Build a network of the study; `section` is where the study says what may be wrong with it."""
        from trainables.methods.rehearsal import shapes_of

        spec, facts = self._spec, self._facts
        try:
            return shapes_of(self._placed(spec.trial("dense", params, spec.seed)), facts)
        except InvalidValue as refused:
            if refused.key == tasks.KEY:
                raise
            raise InvalidValue(f"{section}.{refused.key}", refused.value, refused.allowed) from refused

    @cached_property
    def _facts(self) -> data.Facts:
        from trainables.data.corrupting import corrupting_for

        spec = self._spec.data
        try:
            facts = data.facts(spec)
            if spec.corruptions is not None:
                corrupting_for(spec.corruptions, facts.shape)
            return facts
        except InvalidValue as refused:
            raise InvalidValue(f"data.{refused.key}", refused.value, refused.allowed) from refused

    def _attempts(self, paradigm: str) -> list[Attempted]:
        if paradigm not in self._attempted:
            drawn = at_random(self._configurations, paradigm, CONFIGURATIONS)
            made = ((params, self._recipe(paradigm, params)) for params in drawn)
            self._attempted[paradigm] = [
                Attempted(params, recipe, self._unbuildable(paradigm, params) or self._reason(params, recipe))
                for params, recipe in made
                if recipe is not None
            ]
        return self._attempted[paradigm]

    def _recipe(self, paradigm: str, params: Named) -> Recipe | None:
        try:
            return Params.of(params).create(paradigm).recipe(self._spec.fidelity.epochs)
        except (InvalidValue, InfeasibleTrial):
            return None  # not because of the network

    def _unbuildable(self, paradigm: str, params: Named) -> str | None:
        """Return why a network that the paradigm brings, or one with a searched scaling, cannot be built; else None."""
        trial = self._spec.trial(paradigm, params, self._spec.seed)
        scaling = trial.training.scaling
        brought = trial.model != Params.of(params).network(self._spec.networks)
        if not brought and scaling == self._spec.training.scaling:
            return None  # it is one of `networks`
        key = trial.model.label if brought else self._label(params), scaling
        if key not in self._built_with:
            self._built_with[key] = self._obstacle(trial)
        return self._built_with[key]

    def _obstacle(self, trial: TrialSpec) -> str | None:
        from trainables.methods.rehearsal import shapes_of

        try:
            shapes_of(self._placed(trial), self._facts)
        except (InvalidValue, InfeasibleTrial) as refused:
            return f"its network cannot be built: {refused}"
        return None

    def _label(self, params: Named) -> str:
        return str(params.get(MODEL, self._spec.networks[0].label))

    def _reason(self, params: Named, recipe: Recipe) -> str | None:
        from trainables.methods.rehearsal import demands, rehearse

        label = self._label(params)
        asked = demands(recipe)
        if asked and (label, asked) not in self._reasons:
            try:
                rehearse(recipe, self.networks[label])
                self._reasons[label, asked] = None
            except InfeasibleTrial as infeasible:
                self._reasons[label, asked] = str(infeasible)
        return self._reasons.get((label, asked))

    def _filter_demands(self, paradigm: str) -> Iterator[bool]:
        """Yield, for each configuration that removes filters, whether it may remove those of residual streams."""
        from trainables.methods.rehearsal import demands

        for attempt in self._attempts(paradigm):
            if attempt.reason is None:
                yield from (bool(demand[2]) for demand in demands(attempt.recipe) if demand[:2] == _FILTERS)

    def _refusal(self, paradigm: str) -> Problem | None:
        attempts = self._attempts(paradigm)
        reasons = [attempt.reason for attempt in attempts if attempt.reason is not None]
        return Problem(f"paradigms.{paradigm}", reasons[0]) if attempts and len(reasons) == len(attempts) else None

    def _problems(self, paradigm: str) -> Iterator[Problem]:
        refusal = self._refusal(paradigm)
        if refusal is not None:
            yield refusal
            return
        attempts = self._attempts(paradigm)
        failed = [attempt for attempt in attempts if attempt.reason is not None]
        if failed:
            key, values = _explanation(attempts)
            for value, reason in values.items():
                yield Problem(f"paradigms.{paradigm}{key}", reason, value)


_FILTERS: Final = ("prune", "filter")


def _choices(attempts: Sequence[Attempted]) -> list[str]:
    """Return the hyper-parameters that are names or booleans rather than numbers."""
    values: dict[str, set[type]] = defaultdict(set)
    for attempt in attempts:
        for key, value in attempt.params.items():
            values[key].add(type(value))
    return [key for key, kinds in values.items() if kinds <= {str, bool}]


def _explanation(attempts: Sequence[Attempted]) -> tuple[str, Mapping[object, str]]:
    """Return the key whose values alone explain the failures, and the failing values with reasons; else no key."""
    for key in _choices(attempts):
        outcomes: dict[Value | None, set[str | None]] = defaultdict(set)
        for attempt in attempts:
            outcomes[attempt.params.get(key)].add(attempt.reason)
        failing = {value: reasons - {None} for value, reasons in outcomes.items() if reasons != {None}}
        if all(None not in outcomes[value] for value in failing):
            return f".{key}", {value: str(reasons.pop()) for value, reasons in failing.items()}
    failed = [attempt.reason for attempt in attempts if attempt.reason is not None]
    return "", {ABSENT: f"{len(failed) / len(attempts):.0%} of its configurations cannot run: {failed[0]}"}

"""StudySpec: what a user writes, in YAML or in Python, and what is refused before anything starts."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Self, get_args

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestrator.spec import searched_options
from orchestrator.spec.choices import Choice as Choice
from orchestrator.spec.choices import Range as Range
from orchestrator.spec.choices import Strict, cannot_fit, check_choices, check_effects
from orchestrator.spec.constraints import Constraint as Constraint
from orchestrator.spec.data_section import Data
from orchestrator.spec.forms import STORED, is_stored, with_tuples
from orchestrator.spec.known_metrics import evaluated, not_evaluated, not_measured, unmet, usual_objectives
from orchestrator.spec.ledger_url import FILE, check_ledger
from orchestrator.spec.names import check_study_name
from orchestrator.spec.networks import Networks
from orchestrator.spec.params import Params
from orchestrator.spec.problems import all_problems, without
from orchestrator.spec.sections import Budget as Budget
from orchestrator.spec.sections import Elastic as Elastic
from orchestrator.spec.sections import Failures as Failures
from orchestrator.spec.sections import Fidelity as Fidelity
from orchestrator.spec.sections import Resources as Resources
from orchestrator.spec.sections import Search as Search
from orchestrator.spec.spec_errors import Problem, StudyError, at, refuse, refused_by, translate, unknown_keys
from orchestrator.spec.study_file import LONGEST, as_text, read_mapping
from orchestrator.spec.tracking_url import STORE, check_tracking
from trainables import data, models, paradigms, tasks
from trainables.code import package_of
from trainables.errors import InvalidValue
from trainables.metrics import AT, find, is_function
from trainables.metrics import Direction as Direction
from trainables.references import is_reference
from trainables.spec import (
    CorruptionSpec,
    EnsembleSpec,
    EvaluationSpec,
    LatencySpec,
    ModelSpec,
    TrainingSpec,
    TrialSpec,
    Value,
)
from trainables.tasks import CLASSIFICATION, SMOOTHED

STORED_KEPT: Final = 64
"""How many stored studies are kept as they were read."""

HISTORY: Final = "history"
"""The key under which a stored study says how it was extended; it is no setting, and a copy may bring it along."""


class StudySpec(Strict):
    """One sweep. Its constructor checks everything that can be known before it starts; raises StudyError.

    `task` says what networks learn: `classification`, `regression`, `language_modeling`, or ``package.module:Task``.
    `ledger` says where its records lie: `file`, a journal in its folder, or ``postgresql://USER@HOST:PORT/DATABASE``, a
    table there. Such a URL holds no password: use PGPASSWORD, ~/.pgpass or PGSERVICE.
    `tracking` says where its MLflow pages lie: in the `store`, or on the MLflow server at ``http://HOST:PORT``, with
    credentials from MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN; with `none` there are
    none, and no MLflow is started.
    """

    name: str
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    task: str = CLASSIFICATION
    data: Data
    model: Networks
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec | None = None
    objectives: dict[str, Direction] = Field(default_factory=usual_objectives)
    constraints: dict[str, str] = Field(default={})
    latency: LatencySpec = LatencySpec()
    ensemble: EnsembleSpec | None = None
    paradigms: dict[str, dict[str, Choice]]
    search: Search = Search()
    fidelity: Fidelity
    budget: Budget = Budget()
    resources: Resources = Resources()
    failures: Failures = Failures()
    ledger: str = FILE
    tracking: str = STORE

    @classmethod
    def load(cls, path: Path | str) -> "StudySpec":
        """Read a study file; raises StudyError with everything that is wrong in it.

        A relative `data.root` or `model.weights` is resolved from the current folder.
        """
        path = Path(path)
        plain = without(read_mapping(path, LONGEST), [HISTORY])
        try:
            return cls.model_validate_json(json.dumps(plain))
        except StudyError as error:
            raise StudyError(all_problems(plain, error.problems, _problems, list(cls.model_fields)), path) from None

    @classmethod
    def stored(cls, path: Path) -> "StudySpec":
        """Read a study that was checked when it was launched.

        Its data and paradigms are not looked for, because its results can be shown without them.
        """
        return _stored(json.dumps(without(read_mapping(path), [HISTORY])))

    def as_yaml(self) -> str:
        """Return the study as the text of a file whose `load` gives an equal one."""
        return as_text(self.model_dump(mode="json"))

    @property
    def networks(self) -> tuple[ModelSpec, ...]:
        """The networks among which the study searches; most have one."""
        return self.model if isinstance(self.model, tuple) else (self.model,)

    @property
    def referred(self) -> tuple[str, ...]:
        """The packages of others whose code the study runs, as its references name them."""
        networks = (models.reference_of(network.name) for network in self.networks)
        task = self.task if is_reference(self.task) else None
        known = filter(None, (*networks, data.reference_of(self.data.name), task))
        references = (*known, *filter(is_function, self.measured))
        return tuple(dict.fromkeys(map(package_of, references)))

    @property
    def measured(self) -> tuple[str, ...]:
        """The metrics that the study names, as objectives or constraints."""
        return tuple(dict.fromkeys([*self.objectives, *self.constraints]))

    @property
    def bounds(self) -> tuple[Constraint, ...]:
        """The constraints, parsed."""
        return tuple(Constraint.parse(metric, text) for metric, text in self.constraints.items())

    @property
    def means_within(self) -> tuple[Constraint, ...] | None:
        """The constraints that means over seeds must meet; None if the study does not ask for seeds."""
        return self.bounds if self.search.seeds > 1 else None

    def trial(self, paradigm: str, params: Mapping[str, Value], seed: int) -> TrialSpec:
        """Return the complete configuration of one trial of this study."""
        chosen = Params.of(params)
        return TrialSpec(
            data=self.data,
            model=paradigms.network(paradigm, chosen.paradigm, chosen.network(self.networks)),
            paradigm=paradigm,
            hyperparameters=chosen.paradigm,
            training=chosen.trained(self.training),
            epochs=self.fidelity.epochs,
            seed=seed,
            objectives=self.measured,
            latency=self.latency,
            ensemble=self.ensemble,
            evaluation=self.evaluation,
            task=self.task,
        )

    @field_validator("name")
    @classmethod
    def _is_a_safe_path(cls, name: str) -> str:
        return at("", check_study_name, name)

    @field_validator("ledger")
    @classmethod
    def _holds_no_password(cls, ledger: str) -> str:
        return check_ledger(ledger)

    @field_validator("tracking")
    @classmethod
    def _names_a_server(cls, tracking: str) -> str:
        return check_tracking(tracking)

    @field_validator("task")
    @classmethod
    def _is_a_known_task(cls, task: str) -> str:
        return at("", tasks.check, task)

    @field_validator("evaluation", mode="before")
    @classmethod
    def _lists_of_images_are_tuples(cls, given: Any) -> Any:
        return with_tuples(given, "kinds", "severities", "noise") if isinstance(given, Mapping) else given

    @field_validator("training", mode="before")
    @classmethod
    def _lists_are_tuples(cls, given: Any) -> Any:
        return with_tuples(given, "milestones") if isinstance(given, Mapping) else given

    @field_validator("objectives", "constraints", mode="before")
    @classmethod
    def _name_known_metrics(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, Mapping):
            others = {name: value for name, value in given.items() if AT in str(name)}
            if "evaluation" in info.data:  # else it is refused itself
                refuse(not_evaluated(others, evaluated(info.data["evaluation"])))
            named = {name: value for name, value in given.items() if not is_function(str(name)) and name not in others}
            refuse(not_measured(named, info.data.get("task")))
        return given

    @field_validator("objectives", "paradigms")
    @classmethod
    def _name_something(cls, named: dict[str, Any]) -> dict[str, Any]:
        if not named:
            raise InvalidValue("", named, "needs at least one entry")
        return named

    @field_validator("constraints")
    @classmethod
    def _can_be_met(cls, constraints: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        refuse(refused for pair in constraints.items() for refused in refused_by(Constraint.parse, *pair))
        if not is_stored(info):
            parsed = (Constraint.parse(*pair) for pair in constraints.items())
            refuse(unmet(bound, constraints[bound.metric]) for bound in parsed if not bound.can_be_met)
        return constraints

    @field_validator("objectives")
    @classmethod
    def _seek_what_is_better(cls, objectives: dict[str, Direction], info: ValidationInfo) -> dict[str, Direction]:
        if not is_stored(info):
            refuse(
                InvalidValue(
                    name, direction, f"must be {find(name).direction}: the other way leads to the worst networks"
                )
                for name, direction in objectives.items()
                if find(name).direction not in (None, direction)
            )
        return objectives

    @field_validator("paradigms", mode="before")
    @classmethod
    def _name_known_paradigms(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, Mapping):
            return given
        if not is_stored(info):
            refuse(unknown_keys(given, paradigms.names()))
        return {name: {} if chosen is None else chosen for name, chosen in given.items()}

    @field_validator("paradigms")
    @classmethod
    def _are_accepted(cls, named: dict[str, dict[str, Choice]], info: ValidationInfo) -> dict[str, dict[str, Choice]]:
        if is_stored(info):
            return named
        refuse(
            InvalidValue(f"{name}.{one.key}", one.value, one.allowed)
            for name, chosen in named.items()
            for one in list(check_choices(name, chosen)) or check_effects(name, chosen)
        )
        return named

    @model_validator(mode="after")
    def _can_be_carried_out(self, info: ValidationInfo) -> Self:
        if is_stored(info):
            return self
        trials, epochs = self.search.trials, self.fidelity.epochs
        refused = [
            InvalidValue(f"search.options.{one.key}", one.value, one.allowed)
            for one in searched_options.check(self.search.options, self.networks)
        ]
        refused += [*self._untrained(), *self._unmeasurable(), *self._unlearnable()]
        if trials < len(self.paradigms):
            allowed = f"must be at least {len(self.paradigms)}: each paradigm is tried"
            refused.append(InvalidValue("search.trials", trials, allowed))
        if self.budget.money is not None and self.resources.price_per_hour is None:
            allowed = "needs resources.price_per_hour, what one worker's resources cost for an hour"
            refused.append(InvalidValue("budget.money", self.budget.money, allowed))
        reasons = [
            f"{name}: {why}" for name, chosen in self.paradigms.items() if (why := cannot_fit(name, chosen, epochs))
        ]
        if reasons:
            refused.append(InvalidValue("fidelity.epochs", epochs, f"is too short for {'; for '.join(reasons)}"))
        refuse(refused)
        return self

    def _untrained(self) -> Iterator[InvalidValue]:
        """Yield an error for each paradigm that would prune a network at once that nobody has trained."""
        bare = [network.name for network in self.networks if network.weights is None]
        for name, chosen in self.paradigms.items():
            pretrain = chosen.get("pretrain")
            if bare and (0 in pretrain if isinstance(pretrain, list) else pretrain == 0):
                allowed = f"prunes a trained network at once, and {bare[0]} starts untrained: give it `weights`"
                yield InvalidValue(f"paradigms.{name}.pretrain", pretrain, allowed)

    def _unlearnable(self) -> Iterator[InvalidValue]:
        """Yield what does not belong to the study's task."""
        smoothing = self.training.label_smoothing
        if smoothing and self.task not in SMOOTHED:
            allowed = f"is for {' and '.join(sorted(SMOOTHED))}, and this study has task: {self.task}: leave it out"
            yield InvalidValue("training.label_smoothing", smoothing, allowed)
        for key, section in (("ensemble", self.ensemble), ("evaluation", self.evaluation)):
            if section is not None and self.task != CLASSIFICATION:
                allowed = f"measures probabilities of classes, and this study has task: {self.task}: leave it out"
                yield InvalidValue(key, asdict(section), allowed)
        language = self.task == "language_modeling"
        if language != (self.data.name == "text") and not is_reference(self.task):
            needs = "needs data: {name: text}, and these are" if language else "cannot learn the data: set it to"
            yield InvalidValue("task", self.task, f"{needs} {self.data.name if language else 'language_modeling'}")

    def _unmeasurable(self) -> Iterator[InvalidValue]:
        """Yield what the study's resources or training do not let it measure."""
        limited = any("target_latency" in chosen for chosen in self.paradigms.values())
        if self.latency != LatencySpec() and "latency" not in self.measured and not limited:
            allowed = (
                "says how the objective latency, or a budget of it, is measured: name latency under objectives, give a "
                "paradigm a target_latency, or leave this out"
            )
            yield InvalidValue("latency", asdict(self.latency), allowed)
        if self.latency.device == "cuda" and not self.resources.gpus:
            yield InvalidValue("latency.device", "cuda", "needs a GPU: resources.gpus is 0")
        if "energy" in self.measured and not self.resources.has_whole_gpus:
            allowed = f"is that of whole GPUs, by NVML: needs resources.gpus: 1, not {self.resources.asked}"
            yield InvalidValue(self._key("energy"), self._named_as("energy"), allowed)
        for name in (
            {"energy", "peak_memory", "train_seconds"} & set(self.measured) if self.training.shared_dense else ()
        ):
            allowed = (
                "is what a trial itself used, and with training.shared_dense one pays for others: set that to false"
            )
            yield InvalidValue(self._key(name), self._named_as(name), allowed)

    def _key(self, metric: str) -> str:
        return f"{'objectives' if metric in self.objectives else 'constraints'}.{metric}"

    def _named_as(self, metric: str) -> str:
        return self.objectives.get(metric) or self.constraints[metric]

    @model_validator(mode="wrap")
    @classmethod
    def _explain_in_own_words(cls, given: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return check(given)
        except ValidationError as error:
            raise StudyError(translate(error, _known_keys)) from None


def _problems(plain: Mapping[str, Any]) -> Sequence[Problem]:
    try:
        StudySpec.model_validate_json(json.dumps(plain))
    except StudyError as error:
        return error.problems
    return ()


def _known_keys(parents: Sequence[str]) -> list[str]:
    """Return the keys that are known in the mapping at a path of a study file."""
    if not parents:
        return list(StudySpec.model_fields)
    in_choice = parents[0] == "paradigms" or parents[:2] in (["search", "training"], ["search", "options"])
    nested = {"model": ModelSpec, "data.corruptions": CorruptionSpec}
    section: Any = Range if in_choice else nested.get(parents[0]) or nested.get(".".join(parents[:2]))
    section = section or StudySpec.model_fields[parents[0]].annotation
    section = next(filter(is_dataclass, get_args(section)), section)  # of a section that may be left out
    return [each.name for each in fields(section)] if is_dataclass(section) else list(section.model_fields)


@lru_cache(maxsize=STORED_KEPT)
def _stored(text: str) -> StudySpec:
    """Return the study in a text, checked once: the pages of a store read its studies again and again."""
    return StudySpec.model_validate_json(text, context=STORED)

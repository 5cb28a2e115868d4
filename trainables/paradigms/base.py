"""What a paradigm is: declared hyper-parameters, and the recipe that they lead to."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, ClassVar

from trainables.errors import InfeasibleTrial, InvalidValue, nearest
from trainables.recipes.recipe import Recipe, first_pruned_epoch, training_epochs
from trainables.spec import ModelSpec, Value


@dataclass(frozen=True, kw_only=True)
class HyperParameter:
    """The domain and the meaning of one hyper-parameter."""

    doc: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] | None = None

    def allowed(self) -> str:
        """Describe the accepted values, as the end of an error message."""
        if self.choices is not None:
            return "must be one of " + ", ".join(map(str, self.choices))
        return f"must lie in [{self.low}, {self.high}]" if self.high is not None else f"must be at least {self.low}"

    def accepts(self, value: Value) -> bool:
        if self.choices is not None:
            return any(value == choice and type(value) is type(choice) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def hyper(
    default: Value,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Value, ...] | None = None,
) -> Any:
    """Declare a field of a paradigm as a hyper-parameter."""
    domain = HyperParameter(doc=doc, low=low, high=high, choices=choices)
    return field(default=default, metadata={"hyper": domain})


def pretraining() -> Any:
    """Declare the hyper-parameter of methods that prune a trained network: whether they train it first."""
    doc = "1: train before the first pruning; 0: prune at once what the study starts from, which needs `model.weights`"
    return hyper(1, doc, choices=(1, 0))


def finetuning(share: float, after: str = "removal", low: float = 0.05) -> Any:
    """Declare the hyper-parameter of which share of the epochs comes after pruning; `tail_of` divides by it."""
    return hyper(share, f"share of the epochs that is spent after {after}", low=low, high=0.9)


def finetuning_rate(share: float = 0.1, low: float = 1e-3) -> Any:
    """Declare the hyper-parameter of the learning rate after pruning."""
    return hyper(share, "peak learning rate of finetuning, as a share of that of training", low=low, high=1)


def tail_of(epochs: int, finetune: float) -> int:
    """Return the epochs after pruning, at least one; raises InfeasibleTrial where none is left before it."""
    tail = max(1, round(finetune * epochs))
    if tail >= epochs:
        raise InfeasibleTrial(f"finetune = {finetune} leaves no epoch of {epochs} for training; at least 2")
    return tail


def three_phases(epochs: int, pruning: float, finetune: float, pretrain: int) -> tuple[int, int, int]:
    """Return the epochs before, in and after a phase of pruning; raises InfeasibleTrial where one has none."""
    growing = max(1, round(pruning * epochs))
    if not pretrain:
        if growing >= epochs:
            raise InfeasibleTrial(f"pruning = {pruning} leaves no epoch of {epochs} for finetuning; at least 2")
        return 0, growing, epochs - growing
    tail = max(1, round(finetune * epochs))
    if growing + tail >= epochs:
        raise InfeasibleTrial(
            f"pruning = {pruning} and finetune = {finetune} leave no epoch of {epochs} for training; "
            "at least 3 epochs, and shares of less than 1 together"
        )
    return epochs - growing - tail, growing, tail


@dataclass(frozen=True, kw_only=True)
class Paradigm(ABC):
    """A frozen value whose fields are hyper-parameters; illegal values are refused when it is made.

    `axes` places the method in the field's coordinates (when, criterion, granularity, scope, schedule, weights
    afterwards); `source` cites the paper.
    """

    axes: ClassVar[Mapping[str, str]]
    source: ClassVar[str]

    def __post_init__(self) -> None:
        for name, (domain, is_integer) in _declared(type(self)).items():
            value = getattr(self, name)
            if not domain.accepts(value) or (is_integer and not isinstance(value, int)):
                raise InvalidValue(name, value, domain.allowed() + (", an integer" if is_integer else ""))

    @classmethod
    def hyperparameters(cls) -> dict[str, HyperParameter]:
        """Return the declared hyper-parameters by name."""
        return {name: domain for name, (domain, _) in _declared(cls).items()}

    @classmethod
    def create(cls, values: Mapping[str, Value]) -> "Paradigm":
        """Make the paradigm from named values; raises InvalidValue for an unknown name or an illegal value."""
        known = cls.hyperparameters()
        for name in values:
            if name not in known:
                allowed = f"hyper-parameters are {', '.join(known) or 'none'}{nearest(name, known)}"
                raise InvalidValue(name, values[name], f"unknown key; {allowed}")
        return cls(**values)

    def network(self, model: ModelSpec) -> ModelSpec:
        """Return the network that the paradigm trains: the study's `model`, unless it brings one of its own.

        What it brings must depend on hyper-parameters alone.
        """
        return model

    @abstractmethod
    def recipe(self, epochs: int) -> Recipe:
        """Divide a budget of `epochs` into stages; raises InfeasibleTrial when it cannot be divided."""

    def judged_from(self, epochs: int) -> float:
        """Return the fidelity from which the accuracy may be compared with that of other trials of `epochs`.

        Before its final pruning, a network is larger, and so more accurate, than it will be at the end.
        """
        recipe = self.recipe(epochs)
        return first_pruned_epoch(recipe) / training_epochs(recipe)


@cache
def _declared(paradigm: type[Paradigm]) -> Mapping[str, tuple[HyperParameter, bool]]:
    """Return each declared hyper-parameter of a class of paradigms, and whether it is an integer."""
    declared = (f for f in fields(paradigm) if "hyper" in f.metadata)
    return {f.name: (f.metadata["hyper"], f.type in (int, "int")) for f in declared}

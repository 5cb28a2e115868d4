"""The hyper-parameters of a trial: those of its paradigm, and those of its training that the study searches.

Only the sampler, the ledger and the tables know them under one name each, ``training.<name>`` for those of training.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from trainables import paradigms
from trainables.paradigms.base import Paradigm
from trainables.spec import TrainingSpec, Value

PREFIX: Final = "training."


@dataclass(frozen=True)
class Params:
    """Hyper-parameters by their names in the paradigm and in TrainingSpec."""

    paradigm: Mapping[str, Value]
    training: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, named: Mapping[str, Value]) -> "Params":
        """Return the hyper-parameters of a record, where those of training have a prefix."""
        training = {name.removeprefix(PREFIX): value for name, value in named.items() if name.startswith(PREFIX)}
        return cls({name: value for name, value in named.items() if not name.startswith(PREFIX)}, training)

    @property
    def named(self) -> dict[str, Value]:
        """The hyper-parameters as a record holds them, of which `of` makes the same again."""
        return {**self.paradigm, **{f"{PREFIX}{name}": value for name, value in self.training.items()}}

    def create(self, paradigm: str) -> Paradigm:
        """Return the paradigm of that name with these values; raises InvalidValue for one that is not allowed."""
        return paradigms.find(paradigm).create(self.paradigm)

    def trained(self, training: TrainingSpec) -> TrainingSpec:
        """Return how a trial trains, given how its study does."""
        changed: TrainingSpec = replace(training, **dict(self.training))  # type: ignore[arg-type]  # checked by the study
        return changed

    def completed(self, training: TrainingSpec, names: Iterable[str]) -> "Params":
        """Return these with what they do not say of training as a study says it, for those names."""
        return replace(self, training={name: getattr(training, name) for name in names} | dict(self.training))

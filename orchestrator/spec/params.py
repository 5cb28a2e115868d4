"""The hyper-parameters of a trial: those of its paradigm, and those of network and training that its study searches.

Only the sampler, the ledger and the tables know them under one name each: ``training.<name>`` for those of training,
``model`` for the network, and ``model.<option>`` for its options, or ``model.<option>.<place>`` for entries of lists.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator.spec.option_entries import replaced
from trainables import paradigms
from trainables.paradigms.base import Paradigm
from trainables.spec import ModelSpec, TrainingSpec, Value

PREFIX: Final = "training."
MODEL: Final = "model"
"""The name of a hyper-parameter whose value is the label of a network."""
OPTION: Final = f"{MODEL}."


@dataclass(frozen=True)
class Params:
    """Hyper-parameters by their names in the paradigm, in TrainingSpec, and among the options of the network.

    `model` is the label of the network, if the study searches over several.
    """

    paradigm: Mapping[str, Value]
    training: Mapping[str, Value] = field(default_factory=dict)
    model: str | None = None
    options: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, named: Mapping[str, Value]) -> "Params":
        """Return the hyper-parameters of a record, where those of training and of the network have a prefix."""
        paradigm = {name: value for name, value in named.items() if not is_shared(name)}
        model = str(named[MODEL]) if MODEL in named else None
        return cls(paradigm, _under(PREFIX, named), model, _under(OPTION, named))

    @property
    def named(self) -> dict[str, Value]:
        """The hyper-parameters as a record holds them, of which `of` makes the same again."""
        network = {} if self.model is None else {MODEL: self.model}
        options = {f"{OPTION}{name}": value for name, value in self.options.items()}
        return {**self.paradigm, **network, **options, **{f"{PREFIX}{k}": value for k, value in self.training.items()}}

    def create(self, paradigm: str) -> Paradigm:
        """Return the paradigm of that name with these values; raises InvalidValue for one that is not allowed."""
        return paradigms.find(paradigm).create(self.paradigm)

    def trained(self, training: TrainingSpec) -> TrainingSpec:
        """Return how a trial trains, given how its study does."""
        changed: TrainingSpec = replace(training, **dict(self.training))  # type: ignore[arg-type]  # checked by the study
        return changed

    def network(self, networks: Sequence[ModelSpec]) -> ModelSpec:
        """Return the network of a trial among those of its study; the first where the trial does not name one."""
        chosen = next((network for network in networks if network.label == self.model), networks[0])
        return replace(chosen, options=replaced(chosen.options, self.options)) if self.options else chosen

    def in_network(self, label: str) -> "Params":
        """Return these with that network where they name none."""
        return replace(self, model=self.model or label)

    def completed(self, training: TrainingSpec, names: Iterable[str]) -> "Params":
        """Return these with what they do not say of training as a study says it, for those names."""
        return replace(self, training={name: getattr(training, name) for name in names} | dict(self.training))


def is_shared(name: str) -> bool:
    """Return whether a hyper-parameter is one of training or of the network, which trials of all paradigms have."""
    return name == MODEL or name.startswith((PREFIX, OPTION))


def _under(prefix: str, named: Mapping[str, Value]) -> dict[str, Value]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}

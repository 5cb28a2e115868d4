"""What a study searches of how its trials train: the learning rate, say, besides what its paradigms have to search.

These hyper-parameters are the same for all paradigms. Among those of a trial they stand as ``training.<name>``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, get_type_hints

from pydantic import ValidationError

from orchestrator.spec.choices import Choice, Range, Strict, check_choice
from orchestrator.spec.spec_errors import translate, unknown_key
from trainables.errors import InvalidValue
from trainables.spec import TrainingSpec, Value

PREFIX: Final = "training."

_TYPES: Final = {name: found for name, found in get_type_hints(TrainingSpec).items() if name != "milestones"}
"""What may be searched, each with its type; a list of milestones is one value."""


def check(searched: Mapping[str, Choice]) -> Iterator[InvalidValue]:
    """Yield what cannot be searched, by its name."""
    for name, choice in searched.items():
        if name not in _TYPES:
            yield InvalidValue(name, choice, unknown_key(name, _TYPES))
        elif not isinstance(choice, list | Range):
            allowed = f"must be a list of choices or a range {{low, high}}; one value for all trials is training.{name}"
            yield InvalidValue(name, choice, allowed)
        else:
            words = None if _TYPES[name] in (int, float) else "is no range of numbers; must be a list of choices"
            yield from check_choice(name, choice, partial(_accept, name), words)


def is_integer(name: str) -> bool:
    """Say whether the values of a hyper-parameter of training are whole numbers."""
    return _TYPES[name] is int


def of_training(params: Mapping[str, Value]) -> dict[str, Any]:
    """Return those of a trial's hyper-parameters that say how it trains, by their names in TrainingSpec."""
    return {name.removeprefix(PREFIX): value for name, value in params.items() if name.startswith(PREFIX)}


def of_paradigm(params: Mapping[str, Value]) -> dict[str, Value]:
    """Return those of a trial's hyper-parameters that are its paradigm's."""
    return {name: value for name, value in params.items() if not name.startswith(PREFIX)}


def as_said(training: TrainingSpec, names: Iterable[str]) -> dict[str, Value]:
    """Return how a study trains, by those names, as hyper-parameters of its trials."""
    return {f"{PREFIX}{name}": getattr(training, name) for name in names}


class _Section(Strict):
    training: TrainingSpec


def _accept(name: str, value: Value) -> None:
    """Raise InvalidValue where the study's section `training` could not say this."""
    try:
        _Section.model_validate_json(json.dumps({"training": {name: value}}))
    except ValidationError as error:
        raise InvalidValue(name, value, translate(error, lambda _: list(_TYPES))[0].allowed) from None

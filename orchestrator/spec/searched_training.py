"""Check which hyper-parameters of training, such as the learning rate, a study searches for all paradigms."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, get_type_hints

from pydantic import ValidationError

from orchestrator.spec.choices import Choice, Range, Strict, check_choice
from orchestrator.spec.spec_errors import translate, unknown_key
from trainables.errors import InvalidValue
from trainables.spec import TrainingSpec, Value

_UNSEARCHED: Final = ("milestones", "shared_dense", "capture", "compile")
"""What may not be searched: a list of milestones is one value, and the others change no result."""

_TYPES: Final = {name: kind for name, kind in get_type_hints(TrainingSpec).items() if name not in _UNSEARCHED}
"""What may be searched, with its type."""


def check(searched: Mapping[str, Choice]) -> Iterator[InvalidValue]:
    """Yield an error for each hyper-parameter that cannot be searched as given, under its name."""
    for name, choice in searched.items():
        if name not in _TYPES:
            yield InvalidValue(name, choice, unknown_key(name, _TYPES))
        elif not isinstance(choice, list | Range):
            allowed = f"must be a list of choices or a range {{low, high}}; one value for all trials is training.{name}"
            yield InvalidValue(name, choice, allowed)
        else:
            no_range = None if _TYPES[name] in (int, float) else "has no range of numbers; must be a list of choices"
            yield from check_choice(name, choice, partial(_accept, name), no_range)


def may_be_searched(name: str) -> bool:
    """Return whether a hyper-parameter of training may be searched."""
    return name in _TYPES


def is_integer(name: str) -> bool:
    """Return whether the values of a hyper-parameter of training are integers."""
    return _TYPES[name] is int


class _Section(Strict):
    training: TrainingSpec


def _accept(name: str, value: Value) -> None:
    """Raise InvalidValue if the study's section `training` would not allow this value."""
    try:
        _Section.model_validate_json(json.dumps({"training": {name: value}}))
    except ValidationError as error:
        raise InvalidValue(name, value, translate(error, lambda _: list(_TYPES))[0].allowed) from None

"""A study's choice for one hyper-parameter: a fixed value, a list, or a range; and checks of it."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from itertools import product
from typing import Annotated, Any, Final

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Tag, model_validator

import search_spaces
from trainables import paradigms
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.paradigms.base import Paradigm
from trainables.spec import Value

MOST_COMBINATIONS: Final = 1000
"""How many combinations of hyper-parameters are tried to find one that fits a budget."""


class Strict(BaseModel):
    """A section of a study. Numbers of numpy are accepted as Python's own."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, revalidate_instances="always"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_numpy(cls, given: Any) -> Any:
        return _as_python(given)


def _as_python(value: Any) -> Any:
    """Return a value in which numpy's scalars are replaced by Python's own."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _as_python(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_as_python, value))
    if is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: _as_python(getattr(value, f.name)) for f in fields(value)}
        return (
            replace(value, **changed)
            if any(type(new) is not type(getattr(value, key)) for key, new in changed.items())
            else value
        )
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidValue("", value, "must be a finite number")
    return value


def _scalar(value: Any) -> Any:
    if not isinstance(value, bool | int | float | str):
        raise InvalidValue(
            "", value, "must be a number, a word, true or false, a list of these, or a range {low, high}"
        )
    return value


class Range(Strict):
    """A range that narrows a dimension of the search space."""

    low: Annotated[int | float, BeforeValidator(_number)]
    high: Annotated[int | float, BeforeValidator(_number)]
    log: bool = False


def _shape(value: object) -> str:
    return "<range>" if isinstance(value, Mapping | Range) else "<list>" if isinstance(value, list) else "<value>"


Scalar = Annotated[Value, BeforeValidator(_scalar)]
Choice = Annotated[
    Annotated[Scalar, Tag("<value>")] | Annotated[list[Scalar], Tag("<list>")] | Annotated[Range, Tag("<range>")],
    Discriminator(_shape),
]


def check_choices(name: str, chosen: Mapping[str, Choice]) -> Iterator[InvalidValue]:
    """Yield what the paradigm of this name refuses, by hyper-parameter."""
    paradigm = paradigms.find(name)
    known = paradigm.hyperparameters()
    for key, choice in chosen.items():
        named = known[key] if key in known and known[key].choices is not None else None
        no_range = f"has no range of numbers; {named.allowed()}, or a list of these" if named is not None else None
        others = {other: ends(values) for other, values in chosen.items() if other != key}
        yield from check_choice(key, choice, partial(_accept, paradigm, key, others), no_range)


def check_effects(name: str, chosen: Mapping[str, Choice]) -> Iterator[InvalidValue]:
    """Yield the hyper-parameters that no configuration of the paradigm would use, given the allowed values."""
    space = search_spaces.find(name)
    possible = {key: _possible(choice) for key, choice in chosen.items()}
    for key, choice in chosen.items():
        if not space.may_matter(key, possible):
            shown = _shown(choice) if isinstance(choice, Range) else choice
            yield InvalidValue(
                key, shown, f"has no effect in this study: it matters only {space.condition(key)}; leave it out"
            )


def check_choice(
    key: str, choice: Choice, accept: Callable[[Value], object], no_range: str | None
) -> Iterator[InvalidValue]:
    """Yield errors in a choice, under its key.

    `accept` raises InvalidValue for a value that is not allowed; `no_range` says why a range is not allowed, if so.
    """
    if no_range is not None and isinstance(choice, Range):
        yield InvalidValue(key, _shown(choice), no_range)
        return
    if choice == []:
        yield InvalidValue(key, choice, "needs at least one choice")
    for index, value in _named(choice):
        yield from _refusal(key, index, value, accept)
    if isinstance(choice, Range):
        yield from _check_range(key, choice)
    elif isinstance(choice, list) and len({(isinstance(value, bool), value) for value in choice}) < len(choice):
        yield InvalidValue(key, choice, "names a choice twice")


def cannot_fit(name: str, chosen: Mapping[str, Choice], epochs: int) -> str | None:
    """Return why the paradigm's recipe does not fit into `epochs`, or None if it does.

    Every value that the study itself names must be feasible together with some values of the other hyper-parameters;
    other infeasible combinations are refused by the trial that meets them.
    """
    paradigm = paradigms.find(name)
    corners = _corners(name, chosen)
    for key in chosen:
        for value in corners[key]:
            reason = _why_infeasible(paradigm, {**corners, key: [value]}, epochs)
            if reason is not None:
                return f"{key} = {value}: {reason}"
    return _why_infeasible(paradigm, corners, epochs)


def ends(choice: Choice) -> list[Value]:
    """Return the values that a choice names: all of a list, both ends of a range."""
    return [value for _, value in _named(choice)]


def _possible(choice: Choice) -> list[Value] | tuple[float, float]:
    return (choice.low, choice.high) if isinstance(choice, Range) else choice if isinstance(choice, list) else [choice]


def _named(choice: Choice) -> list[tuple[str, Value]]:
    """Return the values that a choice names, each with its key or index in the choice."""
    if isinstance(choice, Range):
        return [(".low", choice.low), (".high", choice.high)]
    if isinstance(choice, list):
        return [(f"[{index}]", value) for index, value in enumerate(choice)]
    return [("", choice)]


def _accept(paradigm: type[Paradigm], key: str, others: Mapping[str, list[Value]], value: Value) -> None:
    """Raise InvalidValue for a value that goes with none of the values that the study names for other keys.

    What is wrong with those is left to them. Where there are too many combinations to try, defaults decide.
    """
    refused = _refused(paradigm, {key: value}, of=key)
    if math.prod(map(len, others.values())) <= MOST_COMBINATIONS:
        for combined in product(*others.values()):
            refused = _refused(paradigm, {**dict(zip(others, combined, strict=True)), key: value}, of=key)
            if refused is None:
                return
    if refused is None:
        return
    if refused.key == key:
        raise refused
    allowed = f"does not go with {refused.key} = {refused.value!r}, which {refused.allowed}"
    raise InvalidValue(key, value, allowed)


def _refused(paradigm: type[Paradigm], values: dict[str, Value], of: str) -> InvalidValue | None:
    """Return why a paradigm refuses the value of a key, without the other values that it refuses."""
    try:
        paradigm.create(values)
    except InvalidValue as refused:
        if refused.key == of or refused.key not in values:
            return refused
        return _refused(paradigm, {key: value for key, value in values.items() if key != refused.key}, of)
    return None


def _refusal(key: str, index: str, value: Value, accept: Callable[[Value], object]) -> Iterator[InvalidValue]:
    try:
        accept(value)
    except InvalidValue as refused:
        yield InvalidValue(key if "unknown key" in refused.allowed else key + index, value, refused.allowed)


def _check_range(key: str, choice: Range) -> Iterator[InvalidValue]:
    if choice.low >= choice.high:
        yield InvalidValue(f"{key}.low", choice.low, f"must lie below high, which is {choice.high}")
    if choice.log and choice.low <= 0:
        yield InvalidValue(f"{key}.low", choice.low, "must be greater than 0 on a logarithmic range")


def _shown(choice: Range) -> dict[str, Value]:
    return choice.model_dump(exclude_defaults=True)


def _corners(name: str, chosen: Mapping[str, Choice]) -> dict[str, list[Value]]:
    """Return the extreme values of all hyper-parameters that are fixed or searched."""
    searched = {key: _ends(dimension.distribution) for key, dimension in search_spaces.find(name).items()}
    return searched | {key: ends(choice) for key, choice in chosen.items()}


def _ends(distribution: Any) -> list[Value]:
    return list(getattr(distribution, "choices", None) or (distribution.low, distribution.high))


def _why_infeasible(paradigm: type[Paradigm], corners: Mapping[str, list[Value]], epochs: int) -> str | None:
    """Return the reason of the last combination tried if none is feasible."""
    reason = None
    for values in _combinations(list(corners.values())):
        try:
            paradigm.create(dict(zip(corners, values, strict=True))).recipe(epochs)
        except InfeasibleTrial as infeasible:
            reason = str(infeasible)
        except Exception:  # noqa: BLE001 - a plug-in may raise anything; its trials report it, with the traceback
            return None
        else:
            return None
    return reason


def _combinations(corners: Sequence[Sequence[Value]]) -> Iterator[Sequence[Value]]:
    """Yield all combinations, or a random sample if there are too many."""
    if math.prod(map(len, corners)) <= MOST_COMBINATIONS:
        yield from product(*corners)
        return
    dice = random.Random(0)
    for _ in range(MOST_COMBINATIONS):
        yield [dice.choice(values) for values in corners]

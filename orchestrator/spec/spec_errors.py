"""Errors in a study file, in words for the person who wrote it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainables.errors import InvalidValue, RequestRefused, nearest

ABSENT: Final = object()
"""The value of a key that is missing."""


@dataclass(frozen=True)
class Problem:
    """One thing to correct: the path of a key, a phrase saying what is allowed, and the value of the key."""

    key: str
    allowed: str
    value: object = ABSENT

    def __str__(self) -> str:
        shown = "" if self.value is ABSENT else f" = {_short(self.value)}"
        return _printable(f"{self.key}{shown}: {self.allowed}" if self.key else self.allowed)


class StudyError(RequestRefused):
    """A study that cannot be run as it is written; `problems` holds everything that is wrong, not only the first."""

    def __init__(self, problems: Sequence[Problem], source: Path | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        what = "the study" if source is None else _printable(str(source))
        lines = [f"{what} cannot be used:", *(f"  {problem}" for problem in self.problems)]
        super().__init__("\n".join(lines))


class Refusals(RequestRefused, ValueError):
    """Several refused values, raised at once inside a validator."""

    def __init__(self, refused: Iterable[InvalidValue]) -> None:
        self.refused = tuple(refused)
        super().__init__("; ".join(map(str, self.refused)))


def refuse(refused: Iterable[InvalidValue]) -> None:
    errors = tuple(refused)
    if errors:
        raise Refusals(errors)


def at(key: str, check: Callable[[str], object], value: str) -> str:
    """Return `value` if `check` lets it pass; a refusal is raised under `key`."""
    try:
        check(value)
    except InvalidValue as refused:
        raise InvalidValue(key, refused.value, refused.allowed) from None
    return value


def refused_by(check: Callable[..., object], *arguments: object) -> Iterator[InvalidValue]:
    """Yield the refusal of a check, if it refuses."""
    try:
        check(*arguments)
    except InvalidValue as refused:
        yield refused


def unknown_key(name: str, known: Iterable[str]) -> str:
    """Return a phrase that names the known keys, and the one that was probably meant."""
    names = list(known)
    return f"unknown key; known here are {', '.join(names)}{nearest(name, names)}"


def unknown_keys(given: Mapping[str, object], known: Sequence[str]) -> list[InvalidValue]:
    """Return an error for each key that is not known."""
    return [InvalidValue(name, given[name], unknown_key(name, known)) for name in given if name not in known]


KnownKeys = Callable[[Sequence[str]], Sequence[str]]
"""Returns the known keys of the mapping at a path."""


def translate(error: ValidationError, known_keys: KnownKeys) -> list[Problem]:
    """Return the problems in a pydantic error, one for each key, in words of this project."""
    problems: dict[str, Problem] = {}
    for detail in error.errors(include_url=False):
        for problem in _problems(detail, known_keys):
            problems.setdefault(problem.key, problem)
    return list(problems.values())


def _problems(detail: ErrorDetails, known_keys: KnownKeys) -> list[Problem]:
    path = [part for part in detail["loc"] if not str(part).startswith("<")]
    cause = detail.get("ctx", {}).get("error")
    refused = cause.refused if isinstance(cause, Refusals) else (cause,) if isinstance(cause, InvalidValue) else ()
    if refused:
        return [Problem(key_of([*path, *filter(None, [each.key])]), each.allowed, each.value) for each in refused]
    kind = detail["type"]
    if kind == "default_factory_not_called":  # a default that follows from a key that is wrong, and named by itself
        return []
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        *parents, name = map(str, path)
        return [Problem(key_of(path), unknown_key(name, known_keys(parents)), detail["input"])]
    if kind in ("missing", "missing_argument"):
        return [Problem(key_of(path), "is required")]
    return [Problem(key_of(path), _allowed(detail), detail["input"])]


def key_of(path: Iterable[str | int]) -> str:
    """Return the path of a key as errors show it: ``search.warm_start[1]``."""
    parts = (f"[{part}]" if isinstance(part, int) else part if part.startswith("[") else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


_TYPES: Final = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "recursion_loop": "must not contain itself",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be text; a number stands in quotes",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "model_attributes_type": "must be a mapping of keys to values",
    "dataclass_type": "must be a mapping of keys to values",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
}
_AS_WRITTEN: Final = {
    "int_type": ", in plain digits without quotes, such as 12",
    "float_type": ", in plain digits without quotes, such as 1.5",
    "bool_type": ", without quotes",
}
"""What to add if a number or truth value was read as text: it is in quotes, or only YAML 1.1 would read it as one."""
_BOUNDS: Final = {"ge": "at least", "gt": "greater than", "le": "at most", "lt": "less than"}


def _allowed(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        names = re.findall(r"'([^']*)'", context["expected"])
        return f"must be one of {', '.join(names)}{nearest(str(detail['input']), names)}"
    bounds = [f"must be {relation} {context[name]:g}" for name, relation in _BOUNDS.items() if name in context]
    allowed = bounds[0] if bounds else _TYPES.get(detail["type"], detail["msg"])
    return f"{allowed}{_AS_WRITTEN.get(detail['type'], '')}" if isinstance(detail["input"], str) else allowed


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _printable(text: str) -> str:
    """Return a text with escapes in place of control codes, which a terminal would obey."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)

"""Errors addressed to the person who wrote the value that caused them."""

import difflib
from collections.abc import Iterable


class InvalidValue(ValueError):
    """A value that a user wrote and that cannot be used.

    `key` is the path of the value from where the message is raised (a caller may prefix it),
    `value` what was found there, `allowed` a phrase saying what is accepted and what to do.
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key} = {value!r}: {allowed}")
        self.key = key
        self.value = value
        self.allowed = allowed

    def __reduce__(self) -> tuple[type, tuple[str, object, str]]:
        return type(self), (self.key, self.value, self.allowed)


class InfeasibleTrial(ValueError):
    """Hyper-parameters that are each allowed but cannot be carried out together."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_name(key: str, name: str, known: Iterable[str]) -> None:
    """Raise InvalidValue unless `name` is one of the `known` names."""
    names = sorted(known)
    if name not in names:
        raise InvalidValue(key, name, f"must be one of {', '.join(names)}{nearest(name, names)}")


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


class RemovalMismatch(RuntimeError):
    """A network with its filters removed does not compute what the masked one did."""

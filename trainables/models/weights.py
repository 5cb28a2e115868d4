"""Where the first weights of a network come from, as `ModelSpec.weights` says. Importing this does not import torch.

``imagenet`` are those that torchvision or timm offer for a network; ``trial:STUDY/NUMBER`` is the network of an earlier
study, which a study's driver turns into a file; anything else is the path of a file.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from trainables.errors import InvalidValue
from trainables.models import PREFIX, TIMM
from trainables.spec import ModelSpec

KEY: Final = "weights"
IMAGENET: Final = "imagenet"
FORMS: Final = "imagenet, trial:STUDY/NUMBER, or the path of a file"

_TRIAL: Final = re.compile(r"trial:([^/]+)/([0-9]{1,9})")


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of a study in the same store."""

    study: str
    number: int


def earlier_trial(weights: str) -> EarlierTrial | None:
    """Return the trial that weights are taken from, if they are; raises InvalidValue for another form of it."""
    if not weights.startswith("trial:"):
        return None
    match = _TRIAL.fullmatch(weights)
    if match is None:
        raise InvalidValue(KEY, weights, "must be trial:STUDY/NUMBER, as trial:first/12")
    return EarlierTrial(match[1], int(match[2]))


def is_file(weights: str) -> bool:
    """Return whether weights are read from a file that the user names."""
    return weights != IMAGENET and not weights.startswith("trial:")


def check(model: ModelSpec) -> None:
    """Raise InvalidValue for all that can be found wrong without reading the weights; downloads nothing."""
    if model.weights is None:
        return
    if model.weights == IMAGENET:
        _check_library(model.name)
    elif earlier_trial(model.weights) is None:
        _check_path(model.weights)


def _check_library(name: str) -> None:
    if not name.startswith((PREFIX, TIMM)):
        allowed = f"is for networks of torchvision and timm, and {name} is none of them; give the path of a file"
        raise InvalidValue(KEY, IMAGENET, allowed)
    if not library(name).has_weights(name.partition("/")[2]):
        raise InvalidValue(KEY, IMAGENET, f"there are none for {name}; give the path of a file")


def library(name: str) -> Any:
    """Return the module of ours that knows a library's network by its prefixed name."""
    return import_module(f"trainables.models.{'zoo' if name.startswith(PREFIX) else 'timm_zoo'}")


def _check_path(weights: str) -> None:
    path = Path(weights)
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "is not there"
        raise InvalidValue(KEY, weights, f"{kind}; must be {FORMS} with weights")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file of weights."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidValue(KEY, str(path), f"cannot be read: {error.strerror}") from error

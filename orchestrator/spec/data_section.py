"""The section `data` of a study: the forms it is given in, and which of its keys mean something to its dataset."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from orchestrator.spec.forms import is_stored, with_tuples
from orchestrator.spec.spec_errors import refuse
from trainables import data
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


def _sizes_are_numbers_or_pairs(given: Any) -> Any:
    """Replace what pydantic says of each type that a size may have by one sentence."""
    size = given.get("image_size") if isinstance(given, Mapping) else None
    sides = size if isinstance(size, list | tuple) and len(size) == 2 else [size]
    if size is None or all(isinstance(side, int) and not isinstance(side, bool) for side in sides):
        return {**given, "image_size": tuple(size)} if isinstance(size, list) else given
    raise InvalidValue("image_size", size, "must be a whole number, or [height, width]")


def _lists_of_corruptions_are_tuples(given: Any) -> Any:
    corruptions = given.get("corruptions") if isinstance(given, Mapping) else None
    if isinstance(corruptions, Mapping):
        return {**given, "corruptions": with_tuples(corruptions, "kinds", "severity")}
    return given


def _is_a_known_dataset(spec: DataSpec, info: ValidationInfo) -> DataSpec:
    if is_stored(info):
        return spec
    refuse(_needless(key, getattr(spec, key), spec.name) for key in data.needless(spec))
    absolute = replace(spec, root=spec.root and os.path.abspath(os.path.expanduser(spec.root)))
    data.check(absolute)
    return absolute


def _needless(key: str, value: object, name: str) -> InvalidValue:
    if key in ("root", "download") and not {"root", "download"} & data.keys_of(name):
        return InvalidValue(key, value, f"is for data in files; {name} comes along with espalier: leave it out")
    return InvalidValue(key, value, f"means nothing to {name}: leave it out")


Data = Annotated[
    DataSpec,
    BeforeValidator(_sizes_are_numbers_or_pairs),
    BeforeValidator(_lists_of_corruptions_are_tuples),
    AfterValidator(_is_a_known_dataset),
]
"""A dataset that is known here, with an absolute path if it lies in files."""

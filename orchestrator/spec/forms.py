"""The forms in which values of a study reach its check: as a user writes them, or as a store holds them."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationInfo

STORED: Final = "stored"
"""The context in which a study is read that was checked when it was launched."""


def is_stored(info: ValidationInfo) -> bool:
    return bool(info.context == STORED)


def with_tuples(section: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """Return a section with tuples for the lists under `keys`."""
    return {**section, **{key: tuple(section[key]) for key in keys if isinstance(section.get(key), list)}}

"""Images by name or reference: checked, read, split, and shared by the trials of a machine. Does not import torch."""

from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.reference import GROUP
from trainables.data.source import OPTIONAL, Facts, Usual
from trainables.data.sources import find, names
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.dataset import Dataset

__all__ = ["Facts", "Usual", "check", "facts", "keys_of", "load", "names", "needless", "reference_of", "usual"]


def needless(spec: DataSpec) -> tuple[str, ...]:
    """Return the keys that `spec` sets although its source does not read them."""
    keys, unset = find(spec.name).keys, DataSpec(name=spec.name)
    return tuple(key for key in OPTIONAL if key not in keys and getattr(spec, key) != getattr(unset, key))


def keys_of(name: str) -> frozenset[str]:
    """Return the keys that the source of a name reads, of those that only some do."""
    return find(name).keys


def check(spec: DataSpec) -> None:
    """Raise InvalidValue, keyed by the field of `spec`, for all that can be found wrong without decoding an image."""
    find(spec.name).check(spec)
    if spec.subset is not None and spec.subset < 2:
        raise InvalidValue("subset", spec.subset, "must be at least 2 (batch norm needs two images)")


def facts(spec: DataSpec) -> Facts:
    """Return what a network must know of the data; raises InvalidValue as `load` does."""
    return find(spec.name).facts(spec)


def usual(spec: DataSpec, shape: tuple[int, int, int]) -> Usual:
    """Return how training images of a shape are augmented: as is usual for the source, or as `spec` says."""
    source = find(spec.name).augmentation(shape)
    padding = source.padding if spec.padding is None else spec.padding
    return Usual(padding, source.flip if spec.flip is None else spec.flip)


def reference_of(name: str) -> str | None:
    """Return the reference ``package.module:function`` behind a name; None for data that espalier reads itself."""
    if ":" in name:
        return name
    entries = tuple(entry_points(group=GROUP, name=name))
    return entries[0].value if entries and name not in names() else None


def load(spec: DataSpec, cache: Path | None = None) -> "Dataset":
    """Return the dataset that `spec` describes, split, on the CPU.

    With a folder `cache`, the splits are written there once, and all processes that need the same ones map them into
    memory; without it, this process has its own copy. Raises InvalidValue as `check` does, and for damaged files.
    """
    from trainables.data.sharing import read_shared
    from trainables.data.splits import read_dataset

    check(spec)
    source = find(spec.name)
    source.fetch(spec)
    return read_dataset(spec, source) if cache is None else read_shared(spec, source, cache)

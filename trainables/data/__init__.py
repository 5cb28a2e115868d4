"""Image datasets by name: checked, read, split, and shared by the trials of a machine. Does not import torch."""

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.sources import SOURCES
from trainables.errors import InvalidValue, check_name
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.dataset import Dataset

__all__ = ["check", "load", "names", "needs_root"]


def names() -> tuple[str, ...]:
    """Return the names of all datasets."""
    return tuple(SOURCES)


def needs_root(name: str) -> bool:
    """Return whether a dataset is read from a folder that the study must name."""
    return bool(SOURCES[name].files)


def check(spec: DataSpec) -> None:
    """Raise InvalidValue, keyed by the field of `spec`, for all that can be found wrong without reading an image."""
    check_name("name", spec.name, names())
    _check_root(spec)
    _check_sizes(spec)


def load(spec: DataSpec, cache: Path | None = None) -> "Dataset":
    """Return the dataset that `spec` describes, split, on the CPU.

    With a folder `cache`, the splits are written there once, and all processes that need the same ones map them into
    memory; without it, this process has its own copy. Raises InvalidValue as `check` does, and for damaged files.
    """
    from trainables.data.readers import fetch
    from trainables.data.sharing import read_shared
    from trainables.data.splits import read_dataset

    check(spec)
    fetch(spec)
    return read_dataset(spec) if cache is None else read_shared(spec, cache)


def _check_root(spec: DataSpec) -> None:
    source = SOURCES[spec.name]
    if not source.files:
        return
    if spec.root is None:
        raise InvalidValue("root", None, f"must name the folder that contains, or will contain, {source.folder}")
    missing = source.missing(spec.root)
    if missing and not spec.download:
        expected = f"{source.folder}/{missing[0]}"
        raise InvalidValue("root", spec.root, f"must contain {expected}; set download: true to download it there")


def _check_sizes(spec: DataSpec) -> None:
    source = SOURCES[spec.name]
    held_out = round(spec.validation * source.train_images)
    if not source.classes <= held_out <= source.train_images - source.classes:
        allowed = f"must leave at least {source.classes} of the {source.train_images} training images on each side"
        raise InvalidValue("validation", spec.validation, allowed)
    if spec.subset is not None and spec.subset < 2:
        raise InvalidValue("subset", spec.subset, "must be at least 2 (batch norm needs two images)")
    if spec.image_size is not None and not 2 <= spec.image_size <= source.image_size:
        allowed = f"must lie between 2 and {source.image_size} pixels, the side of the images of {spec.name}"
        raise InvalidValue("image_size", spec.image_size, allowed)

"""Tables of numbers: a row a sample, columns of features and one of targets. Importing this does not import torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from trainables.data.source import Facts, Usual, check_shares, no_images
from trainables.data.table_files import CSV, SUFFIXES, files_of, fingerprint, read
from trainables.errors import InvalidValue, nearest
from trainables.spec import DataSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from trainables.data.images import Images, Published

MOST_CLASSES: Final = 1000
"""Whole numbers from 0 up to this many are classes, if the task wants any; others are numbers."""

_OPTIONS: Final = ("target", "features")


@dataclass(frozen=True, kw_only=True)
class TabularSource:
    """One file, or a folder with ``train``, ``validation`` and ``test``, as CSV, Parquet or Arrow.

    `options` name the columns: ``target``, and a list of ``features``; without it they are all others. Features are
    numbers, none missing. A target of text or true and false names classes.
    """

    keys: frozenset[str] = frozenset({"root", "options", "test"})

    def check(self, spec: DataSpec) -> None:
        """Look for the files."""
        no_images(spec)
        for key, value in spec.options.items():
            if key not in _OPTIONS:
                raise InvalidValue(f"options.{key}", value, f"{spec.name} takes target and features, names of columns")
        if not isinstance(spec.options.get("target"), str):
            raise InvalidValue("options.target", spec.options.get("target"), "must name the column of targets")
        if not isinstance(spec.options.get("features", []), list):
            allowed = "must be a list of names of columns, or left out for all but the target"
            raise InvalidValue("options.features", spec.options["features"], allowed)
        files_of(spec, (CSV, *SUFFIXES))

    def fetch(self, spec: DataSpec) -> None:
        """Return, for a file is there or is not."""

    def facts(self, spec: DataSpec) -> Facts:
        """Read the tables, which are small beside images."""
        published = self.open(spec)
        numbers = published.train.labels.is_floating_point()
        return Facts(published.classes, published.train.shape, numbers=numbers)

    def open(self, spec: DataSpec) -> "Published":
        """Read the tables: each feature is a channel of an image of one pixel."""
        from trainables.data.images import Published

        tables = [None if file is None else read(file) for file in files_of(spec, (CSV, *SUFFIXES))]
        names = _class_names(tables[0], spec)
        train, validation, test = (None if table is None else _rows(table, names, spec) for table in tables)
        assert train is not None
        if validation is None:
            check_shares(spec, 1, len(train.labels))
        return Published(_classes(train.labels, names), train, validation, test)

    def fingerprint(self, spec: DataSpec) -> object:
        """Return the options, and paths, sizes and times of the files."""
        return fingerprint(files_of(spec, (CSV, *SUFFIXES)), spec)

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:  # noqa: ARG002 - a source's
        """Change nothing."""
        return Usual(0, flip=False)


def _column(table: "pa.Table", key: str, name: str) -> "pa.ChunkedArray":
    if name not in table.column_names:
        allowed = f"is no column; there are {', '.join(table.column_names)}{nearest(name, table.column_names)}"
        raise InvalidValue(key, name, allowed)
    column = table.column(name)
    if column.null_count:
        raise InvalidValue(key, name, f"has {column.null_count} rows without a value: fill or remove them")
    return column


def _target(table: "pa.Table", spec: DataSpec) -> "pa.ChunkedArray":
    return _column(table, "options.target", str(spec.options["target"]))


def _class_names(table: Any, spec: DataSpec) -> list[Any] | None:
    """Return the classes, sorted, where targets name them."""
    import pyarrow as pa

    column = _target(table, spec)
    named = (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean, pa.types.is_dictionary)
    return sorted(set(column.to_pylist())) if any(kind(column.type) for kind in named) else None


def _classes(labels: Any, names: Sequence[Any] | None) -> int:
    """Return the number of classes; 1 for targets that are numbers."""
    if names is not None:
        return len(names)
    return 1 if labels.is_floating_point() else int(labels.max()) + 1


def _rows(table: "pa.Table", names: Sequence[Any] | None, spec: DataSpec) -> "Images":
    import numpy as np
    import torch

    from trainables.data.images import Held

    features = [_numbers(table, name) for name in _features(table, spec)]
    rows = torch.from_numpy(np.stack(features, axis=1))[:, :, None, None]
    return Held(rows, _labels(_target(table, spec), names, spec))


def _features(table: "pa.Table", spec: DataSpec) -> list[str]:
    target, given = spec.options["target"], spec.options.get("features", [])
    chosen = [str(name) for name in given] if isinstance(given, list) else []
    if target in chosen:
        raise InvalidValue("options.features", target, "is the target, which no feature may give away")
    names = chosen or [name for name in table.column_names if name != target]
    if not names:
        raise InvalidValue("root", spec.root, f"has no column beside the target {target}")
    return names


def _numbers(table: "pa.Table", name: str) -> Any:
    """Return a column as float32; raises InvalidValue unless it holds finite numbers."""
    import numpy as np
    import pyarrow as pa

    column = _column(table, "options.features", name)
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        allowed = f"holds {kind}, and features are numbers: turn it into some, or leave it out of the features"
        raise InvalidValue("options.features", name, allowed)
    values = column.to_numpy().astype(np.float32)
    if not np.isfinite(values).all():
        raise InvalidValue("options.features", name, "has values that are not finite as 32-bit floats")
    return values


def _labels(column: "pa.ChunkedArray", names: Sequence[Any] | None, spec: DataSpec) -> Any:
    import numpy as np
    import pyarrow as pa
    import torch

    if names is not None:
        return torch.tensor(_numbered(column.to_pylist(), names), dtype=torch.int64)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        allowed = f"holds {column.type}; targets are numbers, or text that names classes"
        raise InvalidValue("options.target", spec.options["target"], allowed)
    values = column.to_numpy()
    if not np.isfinite(values).all():
        raise InvalidValue("options.target", spec.options["target"], "has values that are not finite")
    if pa.types.is_integer(column.type) and values.min() >= 0 and values.max() < MOST_CLASSES:
        return torch.from_numpy(values.astype(np.int64))
    return torch.from_numpy(values.astype(np.float32))


def _numbered(values: Sequence[Any], names: Sequence[Any]) -> list[int]:
    numbers = {name: number for number, name in enumerate(names)}
    for row, value in enumerate(values):
        if value not in numbers:
            raise InvalidValue("options.target", value, f"row {row} has a class that the training table has not")
    return [numbers[value] for value in values]

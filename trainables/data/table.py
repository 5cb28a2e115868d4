"""Parquet and Arrow files with a column of images and one of labels. Importing this does not import torch."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainables.data.source import Facts, Usual, an_eighth, check_shares
from trainables.data.table_files import files_of, fingerprint, read
from trainables.errors import InvalidValue, nearest
from trainables.spec import DataSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from trainables.data.images import Images, Published


@dataclass(frozen=True, kw_only=True)
class TableSource:
    """One file, or a folder with ``train``, ``validation`` and ``test``, as ``.parquet``, ``.arrow`` or ``.feather``.

    `options` name the columns: ``image`` (bytes of an image file, as they are or in a struct with ``bytes``, or
    fixed-shape tensors of uint8) and ``label`` (whole numbers, or text that names the class).
    """

    keys: frozenset[str] = frozenset({"root", "options", "test"})

    def check(self, spec: DataSpec) -> None:
        """Look for the files."""
        for key, value in spec.options.items():
            if key not in ("image", "label"):
                raise InvalidValue(f"options.{key}", value, "table takes image and label, the names of the columns")
        files_of(spec)

    def fetch(self, spec: DataSpec) -> None:
        """Return, for a file is there or is not."""

    def facts(self, spec: DataSpec) -> Facts:
        """Read the labels, and look at one image."""
        published = self.open(spec)
        return Facts(published.classes, published.train.shape)

    def open(self, spec: DataSpec) -> "Published":
        """Read the tables; encoded images are decoded when they are taken."""
        from trainables.data.images import Published
        from trainables.data.items import classes_of

        tables = [None if file is None else read(file) for file in files_of(spec)]
        names = _class_names(tables, spec)
        parts = [None if table is None else _images(table, names, spec) for table in tables]
        train, validation, test = parts
        assert train is not None
        count = classes_of(_Named(names), train, (validation, test), spec.name)
        if validation is None:
            check_shares(spec, count, len(train.labels))
        return Published(count, train, validation, test)

    def fingerprint(self, spec: DataSpec) -> object:
        """Return paths, sizes and times of the files."""
        return fingerprint(files_of(spec), spec)

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:
        """Mirror nothing, for nothing is known of what is seen."""
        return an_eighth(shape, flip=False)


@dataclass(frozen=True)
class _Named:
    classes: list[str] | None


def _column(table: "pa.Table", key: str, spec: DataSpec) -> Any:
    name = str(spec.options.get(key, key))
    if name not in table.column_names:
        allowed = f"is no column; there are {', '.join(table.column_names)}{nearest(name, table.column_names)}"
        raise InvalidValue(f"options.{key}", name, allowed)
    return table.column(name).combine_chunks()


def _class_names(tables: list[Any], spec: DataSpec) -> list[str] | None:
    """Return the names of the classes, sorted, where labels are text."""
    import pyarrow as pa

    labels = _column(tables[0], "label", spec)
    return sorted(set(labels.to_pylist()) - {None}) if pa.types.is_string(labels.type) else None


def _labels(table: "pa.Table", names: list[str] | None, spec: DataSpec) -> list[Any]:
    values: list[Any] = _column(table, "label", spec).to_pylist()
    if names is None:
        return values
    numbers = {name: number for number, name in enumerate(names)}
    for place, value in enumerate(values):
        if value not in numbers:
            raise InvalidValue("options.label", value, f"row {place} has a class that the training table has not")
    return [numbers[value] for value in values]


def _images(table: "pa.Table", names: list[str] | None, spec: DataSpec) -> "Images":
    import pyarrow as pa
    import torch

    from trainables.data.items import checked_labels, held

    column = _column(table, "image", spec)
    labels = checked_labels(_labels(table, names, spec), spec.name)
    if isinstance(column.type, pa.FixedShapeTensorType):
        return held(torch.from_numpy(column.to_numpy_ndarray().copy()), labels, spec.name, spec.size)
    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = column.field("bytes")
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return _encoded(column, labels, spec)
    allowed = f"must hold bytes of image files or fixed-shape tensors of uint8, and holds {column.type}"
    raise InvalidValue("options.image", str(spec.options.get("image", "image")), allowed)


def _encoded(column: Any, labels: Any, spec: DataSpec) -> "Images":
    from PIL import Image

    from trainables.data.decoding import Encoded, is_grey, shape_of

    def opened(number: int) -> io.BytesIO:
        return io.BytesIO(column[int(number)].as_py() or b"")

    try:
        with Image.open(opened(0)) as image:
            channels = 1 if is_grey(image) else 3
        shape = shape_of(opened(0), channels, spec.size)
    except OSError as error:
        raise InvalidValue("root", spec.root, "row 0 holds no image") from error
    return Encoded(
        labels, shape, opened=opened, described=lambda number: f"row {number}", size=spec.size, root=str(spec.root)
    )

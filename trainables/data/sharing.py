"""One copy of a dataset's splits for all processes on a machine: an Arrow file that is mapped into memory."""

import hashlib
import json
import mmap
import os
import re
import tempfile
from functools import partial
from pathlib import Path

import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from trainables.data.dataset import Dataset, Split
from trainables.data.source import Source
from trainables.data.splits import read_dataset
from trainables.spec import DataSpec

_FORMAT = 1
_SPLITS = ("train", "validation", "test")
_FACTS = b"espalier"
_NOT_IN_A_PATH = re.compile(r"[^A-Za-z0-9_.-]+")


def read_shared(spec: DataSpec, source: Source, cache: Path) -> Dataset:
    """Return the dataset mapped from its file in `cache`, which is written first if it does not exist yet.

    Images are decoded piece by piece into a file, too, so that memory stays bounded however many there are. Several
    processes may write the same file at the same time: each writes its own draft and moves it into place.
    """
    path = cache / f"{_NOT_IN_A_PATH.sub('-', spec.name)}-{_key(spec, source)}.arrow"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        write(read_dataset(spec, source, partial(_on_disk, cache)), path)
    return map_file(path)


def _on_disk(folder: Path, pixels: int) -> Tensor:
    """Return room for that many pixels in a file in `folder` that has no name, and vanishes with its last reader."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(max(1, pixels))
        pages = mmap.mmap(file.fileno(), 0)
    return torch.frombuffer(pages, dtype=torch.uint8, count=pixels) if pixels else torch.empty(0, dtype=torch.uint8)


def _key(spec: DataSpec, source: Source) -> str:
    """Return a hash of all that the splits depend on: the images, as the source knows them, and how they are split."""
    size = spec.size and list(spec.size)
    facts = [_FORMAT, spec.name, spec.validation, spec.split_seed, spec.subset, size, spec.test]
    return hashlib.sha256(json.dumps([*facts, source.fingerprint(spec)]).encode()).hexdigest()[:16]


def write(dataset: Dataset, path: Path) -> None:
    """Write the dataset atomically as an uncompressed Arrow IPC file with one record batch per split."""
    schema = pa.schema(
        {
            "image": pa.fixed_shape_tensor(_kind(dataset.train.images), dataset.input_shape),
            "label": _label_kind(dataset.train.labels),
        },
        metadata={_FACTS: json.dumps(_facts(dataset))},
    )
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            with pa.ipc.new_file(file, schema) as writer:
                for name in _SPLITS:
                    writer.write_batch(_record_batch(getattr(dataset, name), schema))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _kind(tensor: Tensor) -> pa.DataType:
    return pa.from_numpy_dtype(tensor.numpy().dtype)


def _label_kind(labels: Tensor) -> pa.DataType:
    return _kind(labels) if labels.ndim == 1 else pa.fixed_shape_tensor(_kind(labels), labels.shape[1:])


def _facts(dataset: Dataset) -> dict[str, object]:
    return {name: getattr(dataset, name) for name in ("name", "classes", "mean", "std", "hash")}


def _record_batch(split: Split, schema: pa.Schema) -> pa.RecordBatch:
    images = pa.FixedShapeTensorArray.from_numpy_ndarray(split.images.numpy())
    labels = split.labels.numpy()
    column = pa.array(labels) if labels.ndim == 1 else pa.FixedShapeTensorArray.from_numpy_ndarray(labels)
    return pa.record_batch([images, column], schema=schema)


def map_file(path: Path) -> Dataset:
    """Return the dataset in the file at `path` without copying it.

    The pages are mapped copy-on-write: all processes share those of the file, and a process that wrote to a tensor
    would only change its own copy.
    """
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(pages)))
    facts = json.loads(reader.schema.metadata[_FACTS])
    train, validation, test = (_split(reader.get_batch(index)) for index in range(len(_SPLITS)))
    mean, std = tuple(facts["mean"]), tuple(facts["std"])
    return Dataset(facts["name"], facts["classes"], train, validation, test, mean, std, facts["hash"])


def _split(batch: pa.RecordBatch) -> Split:
    return Split(_tensor(batch.column("image")), _tensor(batch.column("label")))


def _tensor(column: pa.Array) -> Tensor:
    if not isinstance(column.type, pa.FixedShapeTensorType):
        return from_dlpack(column)
    return from_dlpack(column.storage.flatten()).reshape(len(column), *column.type.shape)

"""Parquet and Arrow files of images."""

import io
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tests.trainables.small_data import random_split, same
from trainables import data
from trainables.data.dataset import Split
from trainables.errors import InvalidValue
from trainables.spec import DataSpec


def encoded(split: Split) -> list[bytes]:
    files = []
    for pixels in split.images:
        file = io.BytesIO()
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, "png")
        files.append(file.getvalue())
    return files


def tensors(split: Split) -> pa.Array:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(split.images.numpy())


def test_bytes_structs_and_tensors_in_parquet_and_arrow_are_the_same(tmp_path: Path) -> None:
    split = random_split(60, (3, 5, 7))
    files, labels = encoded(split), split.labels.tolist()
    forms = [pa.array(files), pa.array([{"bytes": file, "path": "x"} for file in files]), tensors(split)]
    hashes = set()
    for number, form in enumerate(forms):
        table = pa.table({"image": form, "label": labels})
        parquet.write_table(table, tmp_path / f"{number}.parquet")
        with pa.OSFile(str(tmp_path / f"{number}.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        for suffix in ("parquet", "arrow"):
            hashes.add(data.load(DataSpec(name="table", root=str(tmp_path / f"{number}.{suffix}"))).hash)
    assert len(hashes) == 1


def test_a_folder_of_tables_is_taken_as_it_is_divided(tmp_path: Path) -> None:
    splits = {"train": random_split(40), "validation": random_split(12), "test": random_split(16)}
    for name, split in splits.items():
        words = ["abcd"[label] for label in split.labels]
        parquet.write_table(pa.table({"pixels": tensors(split), "kind": words}), tmp_path / f"{name}.parquet")
    spec = DataSpec(name="table", root=str(tmp_path), options={"image": "pixels", "label": "kind"})
    dataset = data.load(spec, tmp_path / "cache")
    assert all(same(getattr(dataset, name), split) for name, split in splits.items())
    with pytest.raises(InvalidValue, match=r"options.image = 'pixel': is no column; .* did you mean 'pixels'"):
        data.load(replace(spec, options={"image": "pixel", "label": "kind"}))


@pytest.mark.parametrize(
    ("image", "label", "says"),
    [
        (["text"] * 20, [0, 1] * 10, "must hold bytes"),
        ([b"no image"] * 20, [0, 1] * 10, "row 0 holds no image"),
        (None, [0.5] * 20, "whole number"),
        (None, [None] * 20, "whole number"),
        (None, [[0, 1]] * 20, "several labels"),
    ],
)
def test_wrong_columns_are_refused(image: object, label: list[object], says: str, tmp_path: Path) -> None:
    column = image if image is not None else encoded(random_split(20))
    parquet.write_table(pa.table({"image": column, "label": label}), tmp_path / "mine.parquet")
    with pytest.raises(InvalidValue, match=says):
        data.load(DataSpec(name="table", root=str(tmp_path / "mine.parquet")))


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"no table")
    with pytest.raises(InvalidValue, match="cannot be read as a table"):
        data.load(DataSpec(name="table", root=str(tmp_path / "mine.parquet")))
    with pytest.raises(InvalidValue, match=r"train\.parquet"):
        data.check(DataSpec(name="table", root=str(tmp_path)))

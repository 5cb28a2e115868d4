"""Tables of numbers as data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from pyarrow import csv, feather, parquet

from trainables import data
from trainables.data.batches import ordered
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

ROWS = 40
COLUMNS: dict[str, list[Any]] = {
    "size": [row + 0.5 for row in range(ROWS)],
    "rooms": [row % 5 for row in range(ROWS)],
    "same": [7.25] * ROWS,
    "price": [100.5 + row for row in range(ROWS)],
    "kind": [("flat", "house")[row % 2] for row in range(ROWS)],
}


def spec_of(folder: Path, suffix: str = ".csv", columns: dict[str, list[Any]] = COLUMNS, **options: Any) -> DataSpec:
    file, table = folder / f"rows{suffix}", pa.table(columns)
    write = {".csv": csv.write_csv, ".parquet": parquet.write_table, ".arrow": feather.write_feather}[suffix]
    write(table, file)
    chosen = {"target": "price", "features": ["size", "rooms", "same"], **options}
    return DataSpec(name="tabular", root=str(file), options=chosen, validation=0.25, test=0.25)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_every_kind_of_file_gives_the_same_rows_shared_or_not(tmp_path: Path, suffix: str) -> None:
    spec = spec_of(tmp_path, suffix)
    plain, shared = data.load(spec), data.load(spec, tmp_path / "cache")
    assert plain.hash == shared.hash == data.load(spec_of(tmp_path, ".csv")).hash
    assert (plain.classes, plain.input_shape) == (1, (3, 1, 1))
    assert data.facts(spec) == data.Facts(1, (3, 1, 1), numbers=True)
    targets = torch.cat([split.labels for split in (shared.train, shared.validation, shared.test)])
    assert sorted(targets.tolist()) == COLUMNS["price"]
    assert [len(part) for part in (plain.train, plain.validation, plain.test)] == [22, 8, 10]


def test_features_are_normalised_by_the_training_rows_and_a_constant_becomes_zero(tmp_path: Path) -> None:
    dataset = data.load(spec_of(tmp_path))
    ((rows, targets),) = ordered(dataset.train, dataset.mean, dataset.std, batch_size=100, channels_last=True)
    flat = rows.flatten(1)
    assert torch.allclose(flat.mean(0), torch.zeros(3), atol=1e-6)
    assert torch.allclose(flat.std(0, correction=0), torch.tensor([1.0, 1.0, 0.0]), atol=1e-6)
    assert torch.equal(targets, dataset.train.labels)


def test_text_and_small_whole_numbers_are_classes(tmp_path: Path) -> None:
    named = data.load(spec_of(tmp_path, target="kind"))
    assert (named.classes, named.train.labels.dtype) == (2, torch.int64)
    counted = data.load(spec_of(tmp_path, target="rooms", features=["size"]))
    assert (counted.classes, counted.input_shape) == (5, (1, 1, 1))


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({"target": "prise"}, "options.target", "did you mean 'price'"),
        ({"target": None}, "options.target", "must name the column of targets"),
        ({"features": ["size", "sise"]}, "options.features", "is no column"),
        ({"features": ["price"]}, "options.features", "is the target"),
        ({"features": "size"}, "options.features", "must be a list"),
        ({"features": []}, "options.features", "holds string, and features are numbers"),
        ({"label": 3}, "options.label", "tabular takes target and features"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as refused:
        data.load(spec_of(tmp_path, **options))
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("size", None, "1 rows without a value"),
        ("size", float("inf"), "not finite"),
        ("price", float("nan"), "not finite"),
    ],
)
def test_a_missing_or_infinite_value_is_refused(tmp_path: Path, column: str, value: Any, message: str) -> None:
    columns = {**COLUMNS, column: [value, *COLUMNS[column][1:]]}
    with pytest.raises(InvalidValue, match=message):
        data.load(spec_of(tmp_path, ".parquet", columns))


@pytest.mark.parametrize(("key", "value"), [("image_size", 8), ("padding", 1), ("flip", True)])
def test_what_is_for_images_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match="is for images, and tabular has none"):
        data.check(replace(spec_of(tmp_path), **{key: value}))

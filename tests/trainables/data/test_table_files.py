"""Files of tables: which are found, which are refused, and when they have changed."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from trainables.data.table_files import CSV, SUFFIXES, files_of, fingerprint, read
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

TABLE = pa.table({"size": [1.5, 2.5, 3.5], "kind": ["a", "b", "a"]})


def spec_of(root: Path) -> DataSpec:
    return DataSpec(name="table", root=str(root), options={"label": "kind"})


def names(files: list[Path | None]) -> list[str | None]:
    return [None if file is None else file.name for file in files]


def test_one_file_is_all_rows(tmp_path: Path) -> None:
    (tmp_path / "anything.parquet").touch()
    assert names(files_of(spec_of(tmp_path / "anything.parquet"))) == ["anything.parquet", None, None]


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["train.parquet"], ["train.parquet", None, None]),
        (["train.arrow", "test.feather"], ["train.arrow", None, "test.feather"]),
        (["train.parquet", "val.parquet"], ["train.parquet", "val.parquet", None]),
        (["train.parquet", "val.parquet", "validation.arrow"], ["train.parquet", "validation.arrow", None]),
        (["train.feather", "train.parquet", "notes.txt"], ["train.parquet", None, None]),
    ],
)
def test_a_folder_is_searched_for_its_parts(tmp_path: Path, there: list[str], found: list[str | None]) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert names(files_of(spec_of(tmp_path))) == found


def test_a_folder_by_the_name_of_a_part_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").mkdir()
    (tmp_path / "train.arrow").touch()
    assert names(files_of(spec_of(tmp_path))) == ["train.arrow", None, None]


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "train.parquet").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files_of(replace(spec_of(tmp_path), root="~"))[0] == tmp_path / "train.parquet"


@pytest.mark.parametrize("there", [[], ["test.parquet"], ["train.csv"], ["training.parquet"]])
def test_a_folder_without_training_rows_is_refused_with_what_it_must_hold(tmp_path: Path, there: list[str]) -> None:
    for name in there:
        (tmp_path / name).touch()
    expected = r"must be a .parquet, .arrow or .feather file, or a folder with train\.parquet"
    with pytest.raises(InvalidValue, match=expected) as refused:
        files_of(spec_of(tmp_path))
    assert (refused.value.key, refused.value.value) == ("root", str(tmp_path))


def test_csv_is_read_only_where_it_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    csv.write_csv(TABLE, file)
    with pytest.raises(InvalidValue, match=r"must end in \.parquet, \.arrow, \.feather"):
        files_of(spec_of(file))
    assert names(files_of(spec_of(file), (CSV, *SUFFIXES))) == ["rows.csv", None, None]


def test_without_a_root_the_refusal_names_what_it_must_be() -> None:
    with pytest.raises(InvalidValue, match=r"must name a \.parquet, \.arrow or \.feather file, or a folder with"):
        files_of(DataSpec(name="table"))


def written(folder: Path, form: str) -> Path:
    file = folder / f"rows.{form.split()[0]}"
    if form == "parquet":
        parquet.write_table(TABLE, file)
    elif form == "csv":
        csv.write_csv(TABLE, file)
    else:
        new = pa.ipc.new_stream if form == "arrow stream" else pa.ipc.new_file
        with pa.OSFile(str(file), "wb") as sink, new(sink, TABLE.schema) as writer:
            writer.write_table(TABLE)
    return file


@pytest.mark.parametrize("form", ["parquet", "csv", "arrow", "arrow stream", "feather"])
def test_every_form_gives_the_same_table(tmp_path: Path, form: str) -> None:
    assert read(written(tmp_path, form)).equals(TABLE)


@pytest.mark.parametrize("suffix", [*SUFFIXES, CSV])
def test_a_file_that_is_no_table_is_refused_with_the_reason_in_one_line(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"rows{suffix}"
    file.write_bytes(b"" if suffix == CSV else b"neither\nnor")
    with pytest.raises(InvalidValue, match=r"cannot be read as a table \(.+\)$") as refused:
        read(file)
    assert (refused.value.key, refused.value.value) == ("root", str(file))
    assert "\n" not in str(refused.value)


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="cannot be read as a table"):
        read(tmp_path / "rows.arrow")


def test_a_fingerprint_changes_with_the_files_and_the_options_alone(tmp_path: Path) -> None:
    file = written(tmp_path, "parquet")
    spec = spec_of(file)
    known = fingerprint([file, None, None], spec)
    assert fingerprint([file, None, None], replace(spec, validation=0.5)) == known
    assert fingerprint([file, None, None], replace(spec, options={"label": "size"})) != known
    assert fingerprint([file, file, None], spec) != known
    os.utime(file, ns=(1, 1))
    touched = fingerprint([file, None, None], spec)
    assert touched != known
    file.write_bytes(file.read_bytes() + b" ")
    os.utime(file, ns=(1, 1))
    assert fingerprint([file, None, None], spec) != touched


def test_a_fingerprint_follows_a_link_to_its_file(tmp_path: Path) -> None:
    file = written(tmp_path, "parquet")
    link = tmp_path / "link.parquet"
    link.symlink_to(file)
    assert fingerprint([link, None, None], spec_of(file)) == fingerprint([file, None, None], spec_of(file))


def test_knowing_the_files_costs_neither_torch_nor_arrow() -> None:
    code = "import sys, trainables.data.table_files; sys.exit(bool({'torch', 'pyarrow'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

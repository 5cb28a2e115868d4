"""A text file as data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from trainables import data
from trainables.data.batches import ordered
from trainables.data.text import divided, vocabulary
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

TEXT = "the quick brown fox jumps over the lazy dog. " * 30


def spec_of(folder: Path, text: str = TEXT, **options: Any) -> DataSpec:
    (folder / "text.txt").write_text(text, encoding="utf-8")
    return DataSpec(name="text", root=str(folder / "text.txt"), options={"context": 16, **options})


def test_the_targets_of_a_block_are_its_characters_one_further(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    dataset, known = data.load(spec, tmp_path / "cache"), vocabulary(TEXT)
    ((blocks, targets),) = ordered(dataset.test, dataset.mean, dataset.std, batch_size=10**4, channels_last=True)
    (train, validation, test) = divided(TEXT, spec)
    assert train + validation + test == TEXT
    read = "".join(known[int(number)] for number in blocks.flatten())
    follow = "".join(known[int(number)] for number in targets.flatten())
    assert (read, follow) == (test[: len(read)], test[1 : len(read) + 1])
    assert blocks.dtype == torch.float32
    assert data.facts(spec) == data.Facts(len(known), (1, 1, 16), target=(16,))


def test_a_part_shared_by_processes_equals_one_that_is_not(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    plain, shared = data.load(spec), data.load(spec, tmp_path / "cache")
    assert plain.hash == shared.hash
    assert torch.equal(plain.train.labels, shared.train.labels)
    assert len(data.load(replace(spec, subset=5)).train) == 5


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (TEXT, {"context": 1}, "options.context.*from 2 to 16384"),
        (TEXT, {"size": 1}, "options.size.*text takes context"),
        ("ab" * 40, {}, "a block of 16 needs one more"),
        ("a" * 1000, {}, "from 2 to 256 different characters, and has 1"),
        ("".join(map(chr, range(1000, 1300))) * 10, {}, "and has 300: replace rare ones"),
    ],
)
def test_a_text_or_an_option_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        data.load(spec_of(tmp_path, text, **options))


def test_bytes_that_are_no_text_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    (tmp_path / "text.txt").write_bytes(b"abc\xff")
    with pytest.raises(InvalidValue, match="is no text in UTF-8 \\(byte 3\\)"):
        data.load(spec)
    with pytest.raises(InvalidValue, match="is not there"):
        data.check(replace(spec, root=str(tmp_path / "none.txt")))

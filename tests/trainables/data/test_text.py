"""A text file as data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.integers(40, 4000), st.floats(0.05, 0.4), st.floats(0.05, 0.4), st.integers(2, 40))
def test_the_end_of_a_text_is_for_test_and_what_precedes_it_for_validation(
    length: int, validation: float, test: float, context: int
) -> None:
    text = "ab" * (length // 2)
    spec = DataSpec(name="text", root="x", validation=validation, test=test, options={"context": context})
    last = round(test * len(text))
    sizes = [len(text) - last - round(validation * (len(text) - last)), round(validation * (len(text) - last)), last]
    if min(sizes) <= context:
        with pytest.raises(InvalidValue, match=f"and a block of {context} needs one more than it has") as refused:
            divided(text, spec)
        keys = ("root", "validation", "test")
        assert refused.value.key == next(key for key, size in zip(keys, sizes, strict=True) if size <= context)
    else:
        parts = divided(text, spec)
        assert [len(part) for part in parts] == sizes
        assert "".join(parts) == text


def test_every_part_has_as_many_whole_blocks_as_follow_each_other_in_it(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    dataset, parts = data.load(spec), divided(TEXT, spec)
    for split, part in zip((dataset.train, dataset.validation, dataset.test), parts, strict=True):
        assert len(split) == (len(part) - 1) // 16
        assert split.images.shape[1:] == (1, 1, 16)


def test_characters_are_numbered_in_their_order_whatever_their_place_in_the_text() -> None:
    assert vocabulary("banana") == ["a", "b", "n"]
    assert vocabulary("zäa") == ["a", "z", "ä"]


def test_a_block_has_64_characters_unless_the_study_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    spec = DataSpec(name="text", root=str(tmp_path / "text.txt"))
    assert data.facts(spec).shape == (1, 1, 64)


@pytest.mark.parametrize(
    ("context", "fine"), [(2, True), (2**14, True), (2**14 + 1, False), (True, False), (8.0, False)]
)
def test_a_block_has_from_2_to_16384_characters(tmp_path: Path, context: Any, fine: bool) -> None:
    spec = spec_of(tmp_path, context=context)
    if fine:
        data.check(spec)
    else:
        with pytest.raises(InvalidValue, match="must be a whole number from 2 to 16384") as refused:
            data.check(spec)
        assert refused.value.key == "options.context"


def test_a_folder_and_what_is_for_images_are_refused(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    with pytest.raises(InvalidValue, match="is a folder; must be a text file in UTF-8"):
        data.check(replace(spec, root=str(tmp_path)))
    with pytest.raises(InvalidValue, match="is for images, and text has none: leave it out") as refused:
        data.check(replace(spec, flip=True))
    assert refused.value.key == "flip"

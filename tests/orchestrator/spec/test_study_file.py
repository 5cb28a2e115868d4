"""The YAML of study files: one meaning for every reader, nothing executed, nothing huge."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_file import DEEPEST, DIGITS, LONGEST, as_text, read_mapping
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.spec.test_study_spec import changed, load, load_text


def read(folder: Path, text: str) -> dict[str, Any]:
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    return read_mapping(folder / "study.yaml")


def refusal(folder: Path, content: str | bytes, longest: int | None = None) -> str:
    path = folder / "study.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    with pytest.raises(StudyError) as refused:
        read_mapping(path, longest)
    return str(refused.value)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"]), max_size=12)
NUMBERS = st.integers(-(10**DIGITS) + 1, 10**DIGITS - 1) | st.floats(allow_nan=False)
TRICKY = st.sampled_from(
    ["yes", "1e3", "010", "1:30", "~", "null", "0x1f", "=", "<<", "- a", "# b", " ", "", ".inf", "on"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | TRICKY
KEYS = (TEXTS | TRICKY).filter(lambda key: key.strip() and key != "<<")
VALUES = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3), max_leaves=8
)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_plain_mapping_is_read_as_it_was_written(mapping: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        again = read(Path(folder), as_text(mapping))
    assert again == mapping
    assert repr(again) == repr(mapping)  # 1, 1.0 and True are equal


def test_infinities_and_nan_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    numbers = read(tmp_path, "a: .inf\nb: -.INF\nc: .NaN\nd: +.inf\ne: inf\nf: nan\n")
    assert [numbers[key] for key in "abd"] == [math.inf, -math.inf, math.inf]
    assert math.isnan(numbers["c"])
    assert (numbers["e"], numbers["f"]) == ("inf", "nan")


def test_changing_what_was_read_changes_nothing_that_is_read_later(tmp_path: Path) -> None:
    text = "a: {b: [1]}\n"
    read(tmp_path, text)["a"]["b"].append(2)
    assert read(tmp_path, text) == {"a": {"b": [1]}}


def test_a_whole_number_of_too_many_digits_is_told_with_its_key(tmp_path: Path) -> None:
    most, more = "9" * DIGITS, "9" * (DIGITS + 3)
    assert read(tmp_path, f"seed: {most}") == {"seed": int(most)}
    text = refusal(tmp_path, f"a: [0, {{seed: {more}}}]\nb: -{more}\n")
    assert f"a[1].seed = '{more}': must have at most {DIGITS} digits" in text
    assert f"b = '-{more}': must have at most" in text


def test_nesting_is_allowed_up_to_a_depth_that_no_study_reaches(tmp_path: Path) -> None:
    deepest = "a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert read(tmp_path, deepest)
    assert f"has more than {DEEPEST} lists and mappings inside each other in line 1" in refusal(
        tmp_path, "a: " + "[" * DEEPEST + "]" * DEEPEST
    )
    assert "inside each other" in refusal(tmp_path, "a: " + "[" * 50_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfea", "is not text in UTF-8"),
        (b"a: \x00", "the sign #x0000 at position 3 is not allowed"),
        (b"a: b\n---\nc: d\n", "is not YAML in line 2: a second document begins here, and a study is one"),
        (b'a: "\\ud800"', "half of a surrogate pair"),
        (b"<<: {a: b}", "merge keys (<<) are not read"),
        (b"a: &x [1]\nb: *x", "aliases such as *x are not read; write the value out"),
        (b'"": 1', "a key is empty"),
        (b"[a, b]: 1", "a key is unhashable: it must be a word"),
        (b"a: 1\na: 2", "the key 'a' stands twice"),
        (b"a: {b: 1, b: 2}", "the key 'b' stands twice"),
        (b"a: !!int x", "the tag !!int stands on what is none"),
        (b"a: !!bool [1]", "the tag !!bool stands on what is none"),
        (b"a: !!str [1]", "the tag !!str stands on what is none"),
        (b"a: !!map 5", "expected a mapping"),
        (b"a: !!python/name:os.system", "could not determine a constructor"),
        (b"a: !!set {b}", "could not determine a constructor"),
        (b"a: !!binary YQ==", "could not determine a constructor"),
        (b"a: >= 0.8", 'a comparison stands in quotes: ">= 0.8"'),
        (b"just words", "is not a study: must be a mapping"),
    ],
)
def test_what_is_refused_is_told_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    text = refusal(tmp_path, content)
    assert message in text
    assert text.count("\n") == 1


def test_a_file_longer_than_any_study_is_not_read(tmp_path: Path) -> None:
    head = b"name: small\n#"
    assert f"it has more than {LONGEST // 1024} KiB" in refusal(tmp_path, head + b"x" * LONGEST, LONGEST)
    (tmp_path / "study.yaml").write_bytes(head + b"x" * (LONGEST - len(head)))
    assert read_mapping(tmp_path / "study.yaml", LONGEST) == {"name": "small"}


def test_a_folder_is_no_study_file(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read: Is a directory"):
        read_mapping(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a study"),
        ("- a list", "is not a study"),
        ("name: [", "is not YAML in line 1"),
        ("name: a\nname: b", "the key 'name' stands twice"),
        ("data: {name: digits, name: cifar10}", "the key 'name' stands twice"),
        ("name: &a x\nmodel: *a", "aliases"),
        ("name: !!python/object/apply:os.getcwd []", "python/object"),
        ("constraints:\n  accuracy: >= 0.8\n", "stands in quotes"),
        ("? [a]\n: 1", "unhashable"),
    ],
)
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=r"study\.yaml cannot be used") as raised:
        load_text(tmp_path, text)
    assert message in str(raised.value)


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").touch()
    with pytest.raises(StudyError, match=r"no such file; did you mean 'digits\.yaml'"):
        StudySpec.load(tmp_path / "digit.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        StudySpec.load(tmp_path)


@pytest.mark.parametrize("number", ["1e-3", "1E-3", ".001", "0.001", "+1.e-3"])
def test_numbers_are_written_as_in_yaml_1_2(tmp_path: Path, number: str) -> None:
    text = yaml.safe_dump(changed({})) + f"training: {{lr: {number}}}\n"
    assert load_text(tmp_path, text).training.lr == 0.001


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("budget.hours", "1:30"),
        ("search.trials", "010"),
        ("seed", "0123"),
        ("search.trials", "1_000"),
        ("seed", "0b11"),
        ("data.download", "yes"),
        ("data.download", "on"),
        ("training.nesterov", "No"),
        ("paradigms.magnitude.sparsity", "0_1.5"),
        ("paradigms.magnitude.sparsity.low", "1:30.5"),
        ("paradigms.magnitude.rounds", "010"),
    ],
)
def test_what_only_yaml_1_1_takes_for_a_number_is_refused_as_it_was_typed(tmp_path: Path, key: str, typed: str) -> None:
    text = yaml.safe_dump(changed({key: "TYPED"})).replace("TYPED", typed)
    with pytest.raises(StudyError) as raised:
        load_text(tmp_path, text)
    assert [(one.key, one.value) for one in raised.value.problems] == [(key, typed)]


@pytest.mark.parametrize(("typed", "value"), [("0x1F", 31), ("0o17", 15), ("12", 12), ("+12", 12), ("0", 0)])
def test_whole_numbers_are_those_of_yaml_1_2(tmp_path: Path, typed: str, value: int) -> None:
    assert load_text(tmp_path, yaml.safe_dump(changed({})) + f"seed: {typed}\n").seed == value


@pytest.mark.parametrize("name", ["1e3", "0o7", "010", "1_000", "yes", "null", "0x1F", "2026-11-20", "123"])
def test_a_name_that_some_reader_takes_for_a_number_is_written_so_that_it_stays_text(tmp_path: Path, name: str) -> None:
    spec = StudySpec.model_validate(load(tmp_path, {}).model_copy(update={"name": name}))
    assert load_text(tmp_path, spec.as_yaml()) == spec
    assert yaml.safe_load(spec.as_yaml())["name"] == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: {a: 1}\nname: {<<: {a: 2}}", "merge keys (<<) are not read"),
        ("seed: !!int abc", "the tag !!int stands on what is none"),
        ("seed: !!float [1]", "the tag !!float stands on what is none"),
        ("seed: !!bool maybe", "the tag !!bool stands on what is none"),
        ("seed: !!null 5", "the tag !!null stands on what is none"),
        ("data: !!map 5", "expected a mapping"),
        ("data: !!seq 5", "expected a sequence"),
        ("data: !!str {a: 1}", "the tag !!str stands on what is none"),
        ("data: !!set {a}", "could not determine a constructor"),
        ("a: " + "[" * 5000, "more than 20 lists and mappings inside each other"),
        ("a: " + "{a: " * 5000, "more than 20 lists and mappings inside each other"),
        ("seed: " + "1" * 300, "seed = '1111"),
        ("seed: -" + "1" * 9000, "must have at most 18 digits"),
        ("a: [1, {b: " + "7" * 50 + "}]", "a[1].b = '7777"),
        ("'': 1", "a key is empty"),
        ("name: a\x00b", "the sign #x0000 at position 7 is not allowed"),
        ('name: "\\UFFFFFFFF"', "is not YAML"),
        ('name: "\\ud800"', "surrogate"),
        ("name: a\n---\nname: b", "in line 2: a second document"),
        ("# " + "x" * 300_000, "has more than 256 KiB"),
    ],
)
def test_what_no_study_needs_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError) as raised:
        load_text(tmp_path, text)
    assert message in str(raised.value)
    assert str(raised.value).count("\n") == 1

"""Rows of evaluations in a store: kept at once, replaced by condition, read though a file is damaged."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.store.evaluations import EVALUATIONS, EvaluationBusy, Evaluations, Row, Setting
from orchestrator.store.remote import Remote
from orchestrator.store.store import StudyFolder
from trainables.errors import InvalidValue

SETTING = Setting("trials/00003-a/checkpoint_000001", 0, None, 2)
ROW = Row("fog_3", SETTING, {"accuracy@fog_3": 0.5, "nll@fog_3": float("nan")})


def test_a_row_is_read_as_it_was_kept(tmp_path: Path) -> None:
    evaluations = Evaluations(StudyFolder(tmp_path))
    evaluations.keep(3, replace(ROW, columns={"accuracy@fog_3": 0.25}))
    evaluations.keep(3, Row("clean", SETTING, {"accuracy@clean": 1.0}))
    again = Evaluations(StudyFolder(tmp_path))
    assert again.trials() == [3]
    assert again.rows(3)["fog_3"].setting == SETTING
    assert again.columns() == {3: {"accuracy@fog_3": 0.25, "accuracy@clean": 1.0}}


def test_a_row_of_the_same_condition_is_replaced_and_a_value_may_be_no_number(tmp_path: Path) -> None:
    evaluations = Evaluations(StudyFolder(tmp_path))
    evaluations.keep(3, replace(ROW, columns={"accuracy@fog_3": 0.25, "old@fog_3": 1.0}))
    evaluations.keep(3, ROW)
    columns = evaluations.columns()[3]
    assert columns["accuracy@fog_3"] == 0.5
    assert columns.keys() == ROW.columns.keys()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"fog_3": 1}', b'{"fog_3": {"setting": {}}}', b"\xff"])
def test_a_damaged_file_has_no_rows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / EVALUATIONS).mkdir()
    (tmp_path / EVALUATIONS / "00003.json").write_bytes(content)
    assert Evaluations(StudyFolder(tmp_path)).columns() == {3: {}}


def test_a_study_that_was_never_evaluated_has_none_and_gets_no_folder(tmp_path: Path) -> None:
    assert Evaluations(StudyFolder(tmp_path)).columns() == {}
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / EVALUATIONS).symlink_to(tmp_path)
    with pytest.raises(InvalidValue, match="must be a plain file or folder"):
        Evaluations(StudyFolder(tmp_path))


def test_two_do_not_write_at_once(tmp_path: Path) -> None:
    first, second = Evaluations(StudyFolder(tmp_path)), Evaluations(StudyFolder(tmp_path))
    with first.alone(), pytest.raises(EvaluationBusy, match="is being evaluated by another process"), second.alone():
        pass
    with second.alone():
        second.keep(3, ROW)
    assert first.trials() == [3]


def test_rows_in_an_object_storage_are_read_on_another_machine(bucket: str, tmp_path: Path) -> None:
    remote = Remote(f"s3://{bucket}/studies/small")
    (tmp_path / "here").mkdir()
    Evaluations(StudyFolder(tmp_path / "here", remote)).keep(3, replace(ROW, columns={"accuracy@fog_3": 0.5}))
    elsewhere = Evaluations(StudyFolder(tmp_path / "elsewhere", remote))
    assert elsewhere.columns() == {3: {"accuracy@fog_3": 0.5}}

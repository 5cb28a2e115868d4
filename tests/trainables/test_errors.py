"""The exception tree: its drawing, its exit statuses, what survives a process border."""

import pickle
import re
from pathlib import Path

import pytest

from trainables import errors
from trainables.errors import EspalierError, FileUnusable, InvalidValue, RequestRefused, StudyStopped, TrialError


@pytest.mark.parametrize(
    ("kind", "status"), [(EspalierError, 1), (RequestRefused, 2), (InvalidValue, 2), (TrialError, 1), (StudyStopped, 1)]
)
def test_each_branch_has_its_exit_status(kind: type[EspalierError], status: int) -> None:
    assert kind.exit_status == status


def test_errors_keep_the_builtin_parents_on_which_callers_may_rely() -> None:
    assert issubclass(InvalidValue, ValueError)
    assert issubclass(errors.InfeasibleTrial, ValueError)
    assert issubclass(errors.TrainingDiverged, RuntimeError)
    assert issubclass(StudyStopped, RuntimeError)


def test_the_drawing_shows_every_error_of_the_module() -> None:
    drawn = set(re.findall(r"── (\w+)", str(errors.__doc__)))
    defined = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert defined - {"EspalierError"} <= drawn


def test_an_invalid_value_survives_pickling() -> None:
    before = InvalidValue("data.name", "digit", "must be one of digits")
    after = pickle.loads(pickle.dumps(before))
    assert (str(after), after.key, after.value, after.allowed) == (str(before), "data.name", "digit", before.allowed)


def test_an_unusable_file_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as raised:
        tmp_path.read_text()
    assert str(FileUnusable(raised.value)) == f"{tmp_path}: Is a directory"

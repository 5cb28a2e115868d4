"""A stored study says how it was extended, and a damaged history is refused in words."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.history import Change, Extension, first_epochs, read_history, write_study
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator import small

SPEC = small.study()
VALUES = (
    st.none() | st.booleans() | st.integers(0, 10**6) | st.text("ab: {}'\"#\n", max_size=8) | st.just([1, {"a": 2}])
)
CHANGES = st.builds(
    Change, key=st.sampled_from(["search.trials", "constraints", "budget.hours"]), before=VALUES, after=VALUES
)
EXTENSIONS = st.builds(
    Extension, time=st.just("2026-03-01T09:00:00+00:00"), changes=st.lists(CHANGES, max_size=3).map(tuple)
)


@settings(max_examples=30)
@given(history=st.lists(EXTENSIONS, max_size=3))
def test_a_study_and_its_history_are_read_as_they_were_written(
    history: list[Extension], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("history") / "study.yaml"
    write_study(path, SPEC, history)
    assert read_history(path) == tuple(history)
    assert StudySpec.stored(path) == StudySpec.load(path) == SPEC


def test_a_study_that_was_not_extended_has_no_history(tmp_path: Path) -> None:
    write_study(tmp_path / "study.yaml", SPEC)
    assert read_history(tmp_path / "study.yaml") == ()
    assert "history" not in (tmp_path / "study.yaml").read_text()


def epochs(before: int, after: int) -> Extension:
    return Extension(
        "2026-03-01T09:00:00+00:00", (Change("search.trials", 4, 9), Change("fidelity.epochs", before, after))
    )


def test_the_first_epochs_are_those_before_the_first_change_of_them(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    assert first_epochs(path, 9) == 9
    write_study(path, SPEC, [Extension("2026-03-01T09:00:00+00:00", (Change("search.trials", 4, 9),))])
    assert first_epochs(path, 9) == 9
    write_study(path, SPEC, [epochs(3, 6), epochs(6, 9)])
    assert first_epochs(path, 9) == 3


@pytest.mark.parametrize(
    "history",
    [
        "5",
        "{a: b}",
        "[5]",
        "[{time: x}]",
        "[{time: x, changes: 5}]",
        "[{time: x, changes: [5]}]",
        "[{time: x, changes: [{key: a}]}]",
        "[{time: x, changes: [{key: a, before: 1, after: 2, why: b}]}]",
        "[{time: x, changes: [{key: fidelity.epochs, before: many, after: 2}]}]",
    ],
)
def test_a_history_that_is_none_is_refused_with_what_to_do(tmp_path: Path, history: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"{SPEC.as_yaml()}history: {history}\n")
    for read in (lambda: read_history(path), lambda: first_epochs(path, 9)):
        with pytest.raises(StudyError, match="history: is not as `espalier extend` wrote it; restore the file"):
            read()


def test_changes_are_short_for_people() -> None:
    assert str(Change("budget.hours", None, 2.0)) == "budget.hours: nothing -> 2.0"
    long = str(Change("paradigms.magnitude", {"sparsity": list(range(100))}, {}))
    assert len(long) < 100
    assert long.endswith("... -> {}")
    assert str(epochs(3, 6)) == "2026-03-01T09:00:00+00:00: search.trials: 4 -> 9; fidelity.epochs: 3 -> 6"

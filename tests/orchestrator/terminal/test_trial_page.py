"""Everything about a trial on one page, and the table of studies."""

from dataclasses import replace
from io import StringIO

from rich.console import RenderableType

from orchestrator.results.overview import StudyLine
from orchestrator.terminal.printable import PlainConsole
from orchestrator.terminal.trial_page import MOST_EPOCHS, studies_table, trial_page
from tests.orchestrator import small
from tests.orchestrator.example import told_trial


def drawn(page: RenderableType) -> str:
    console = PlainConsole(width=140, record=True, file=StringIO())
    console.print(page)
    return console.export_text()


def test_a_page_has_hyper_parameters_metrics_epochs_and_the_checkpoint() -> None:
    record = told_trial(1)
    page = drawn(trial_page(small.study(), record, "trials/00001-a/checkpoint_000003"))
    assert "trial 1 of example: COMPLETE" in page
    assert "checkpoint: trials/00001-a/checkpoint_000003" in page
    assert all(name in page for name in (*record.params, *record.metrics))
    assert page.count("%") > len(record.curve)


def test_a_trial_that_failed_has_its_reason_and_no_empty_tables() -> None:
    page = drawn(trial_page(small.study(), replace(told_trial(6), params={}, curve=()), None))
    assert "accuracy is NaN" in page
    assert "none is kept" in page
    assert "hyper-parameters" not in page
    assert "epochs" not in page


def test_of_long_curves_some_epochs_are_shown_with_the_last() -> None:
    (first, *_) = told_trial(1).curve
    curve = tuple(replace(first, epoch=number) for number in range(1, 102))
    page = drawn(trial_page(small.study(), replace(told_trial(1), curve=curve), None))
    rows = [words[0] for line in page.splitlines() if (words := line.split()) and words[0].isdigit()]
    assert len(rows) <= MOST_EPOCHS + 1
    assert rows[-1] == "101"


def test_studies_are_listed_and_an_empty_store_says_what_to_do() -> None:
    lines = [StudyLine(name="a", state="done", finished=3, trials=3, on_front=2)]
    table = drawn(studies_table([*lines, StudyLine(name="b", state="unreadable", trouble="is cut")], "store"))
    assert "3 of 3" in table
    assert "is cut" in table
    assert "espalier init" in drawn(studies_table([], "store"))

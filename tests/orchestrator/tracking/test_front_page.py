"""The front as MLflow's pages show it: table and description."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import hypervolume_over_trials, pareto_front
from orchestrator.tracking.front_page import LONGEST_NOTE, note, table
from orchestrator.tracking.saved_views import address
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials


def study() -> TrackedStudy:
    return TrackedStudy(uri="unused", artifacts=Path("unused"), name="example", tags={}, objectives=OBJECTIVES)


def front_of(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return pareto_front(records, OBJECTIVES)


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def test_the_table_has_a_row_for_each_member_in_the_order_of_the_front() -> None:
    front = front_of(told_trials(8))
    shown = json.loads(table(study(), told_trials(8), front))
    assert shown["columns"][:4] == ["trial", "paradigm", "accuracy", "macs"]
    assert shown["columns"][-2:] == ["seed", "hyper-parameters"]
    rows = [dict(zip(shown["columns"], row, strict=True)) for row in shown["data"]]
    assert [row["trial"] for row in rows] == [record.trial for record in front]
    for row, record in zip(rows, front, strict=True):
        assert row["accuracy"] == record.metrics["accuracy"]
        assert json.loads(row["hyper-parameters"]) == record.params
        assert row["params"] == record.metrics["params"]


def test_the_table_has_no_column_that_no_member_measured_and_a_gap_where_one_did_not() -> None:
    sparse = replace(told_trial(1), metrics={"accuracy": 0.9, "macs": 1.0})
    assert "test_accuracy" not in json.loads(table(study(), [sparse], [sparse]))["columns"]
    shown = json.loads(table(study(), [], [told_trial(0), sparse]))
    column = shown["columns"].index("test_accuracy")
    assert [row[column] for row in shown["data"]] == [0.98, None]


def test_a_figure_that_is_not_finite_leaves_a_table_that_pages_can_read() -> None:
    diverged = replace(told_trial(1), metrics={**told_trial(1).metrics, "test_accuracy": math.nan})
    shown = json.loads(table(study(), [], [diverged]), parse_constant=refuse)
    assert shown["data"][0][shown["columns"].index("test_accuracy")] is None


def test_the_dense_network_is_the_first_row_though_others_dominate_it() -> None:
    better = replace(told_trial(1), metrics={**told_trial(1).metrics, "accuracy": 0.995, "test_accuracy": 0.97})
    shown = json.loads(table(study(), [told_trial(0), better], [better]))
    rows = [dict(zip(shown["columns"], row, strict=True)) for row in shown["data"]]
    assert [(row["trial"], row["role"]) for row in rows] == [(0, "reference"), (1, "front")]
    assert [round(row["accuracy_drop"], 6) for row in rows] == [0.0, -0.005]
    text = note(study(), [told_trial(0), better], [better], "17")
    assert "| 0 | dense (reference) | 99.00 % | 1.23 M | 98.00 % | 0.00 |\n| 1 | magnitude " in text
    assert "1.11-fold fewer effective MACs within 1 point of the dense validation accuracy: trial 1" in text
    assert "over effective costs" in text


def test_the_description_counts_trials_and_links_to_the_views() -> None:
    records = told_trials(8)
    text = note(study(), records, front_of(records), "17")
    first, _, second, *_ = text.splitlines()
    assert first.startswith("**8 trials: 6 complete, 1 stopped early, 1 failed** · maximize validation accuracy, ")
    assert f"({address('17', 'trials')})" in first
    volume = hypervolume_over_trials(records, OBJECTIVES)[-1]
    assert second.startswith(f"[Front]({address('17', 'front')}): 6 trials, hypervolume {volume:.3f};")


def test_the_description_of_a_study_without_trials_has_an_empty_table() -> None:
    text = note(study(), [], [], "17")
    assert text.startswith("**0 trials** · ")
    assert "0 trials, hypervolume 0.000" in text
    assert text.splitlines()[-1] == "| --- | --- | --- | --- | --- | --- |"


@pytest.mark.parametrize("more", [0, 1, 5])
def test_the_description_shows_the_first_members_and_counts_the_rest(more: int) -> None:
    front = [replace(told_trial(1), trial=number) for number in range(LONGEST_NOTE + more)]
    lines = note(study(), front, front, "17").splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert rows[0] == "| trial | paradigm | validation accuracy | effective MACs | test accuracy | drop in points |"
    assert rows[2] == "| 0 | magnitude | 99.00 % | 1.11 M | 98.00 % | - |"
    assert len(rows) == 2 + LONGEST_NOTE
    assert (lines[-1] == f"… and {more} more") == bool(more)


def test_the_description_begins_with_the_front_by_the_mean_where_a_study_asks_for_seeds() -> None:
    again = replace(told_trial(1), trial=9, seed=7, metrics={**told_trial(1).metrics, "accuracy": 0.97})
    records = [told_trial(0), told_trial(1), again]
    asking = replace(study(), means_within=())
    lines = note(asking, records, front_of(records), "3").splitlines()
    heading = next(number for number, line in enumerate(lines) if line.startswith("| trial | paradigm | seeds |"))
    assert heading < next(number for number, line in enumerate(lines) if line.startswith("[Front of single trials]"))
    (row,) = [line for line in lines if line.startswith("| 1 | magnitude | 2 |")]
    assert " +/- " in row
    assert "by the mean" not in note(study(), records, front_of(records), "3")

"""Trials with what was evaluated of them."""

import pytest

from orchestrator.results.evaluated import with_columns
from orchestrator.results.selection import Selection
from tests.orchestrator.example import OBJECTIVES, told_trials
from trainables.errors import InvalidValue

COLUMNS = {
    0: {"accuracy@clean": 0.9, "accuracy@fog_3": 0.8},
    1: {"accuracy@clean": 0.9, "accuracy@fog_3": 0.6},
    2: {"accuracy@clean": 0.9, "accuracy@fog_3": 0.7},
}


def test_columns_and_their_means_join_the_metrics() -> None:
    records = with_columns(told_trials(4), COLUMNS)
    assert records[1].metrics["accuracy@fog_3"] == 0.6
    assert round(records[1].metrics["excess_error@corrupted_3"], 9) == 0.2
    assert records[3] == told_trials(4)[3]
    assert with_columns(told_trials(2), {}) == told_trials(2)


def test_a_front_is_chosen_and_sorted_by_them() -> None:
    records = with_columns(told_trials(4), COLUMNS)
    selection = Selection.read(records, OBJECTIVES, within=None, where=["accuracy@fog_3 > 0.65"], sort="accuracy@fog_3")
    assert [record.trial for record in selection.of(records, records, OBJECTIVES)] == [0, 2]
    by_excess = Selection.read(records, OBJECTIVES, within=None, where=[], sort="excess_error@corrupted_3")
    assert [record.trial for record in by_excess.of(records, records, OBJECTIVES)][:3] == [0, 2, 1]


def test_a_column_that_was_not_measured_is_refused_with_the_nearest_and_not_with_all() -> None:
    records = with_columns(told_trials(4), COLUMNS)
    with pytest.raises(InvalidValue, match=r"or METRIC@IMAGES .*did you mean 'accuracy@fog_3'") as refused:
        Selection.read(records, OBJECTIVES, within=None, where=[], sort="accuracy@fog_2")
    assert "accuracy@clean" not in str(refused.value)

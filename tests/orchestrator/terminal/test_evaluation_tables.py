"""Tables of evaluations."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.evaluated import with_columns
from orchestrator.terminal.evaluation_tables import (
    NO_REFERENCE,
    columns_table,
    evaluation_lines,
    evaluation_object,
)
from tests.orchestrator.example import told_trials

COLUMNS = {
    0: {"accuracy@clean": 0.95, "accuracy@fog_3": 0.8, "accuracy@class_0": 1.0, "accuracy@class_1": 0.9},
    1: {"accuracy@clean": 0.949, "accuracy@fog_3": 0.798, "accuracy@class_0": 0.98, "accuracy@class_1": 0.9},
    2: {"accuracy@clean": 0.948, "accuracy@fog_3": 0.7, "accuracy@class_0": 0.8, "accuracy@class_1": 0.9},
}


def trials() -> list[TrialRecord]:
    return with_columns(told_trials(4), COLUMNS)


def text(*parts: RenderableType) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(*parts)
    return captured.get()


def shown(records: Sequence[TrialRecord]) -> str:
    return text(evaluation_lines(records, 0.005))


def test_the_table_says_how_far_one_may_prune_on_each_distribution() -> None:
    lines = shown(trials())
    assert "stay within 0.5 points" in lines
    clean, fog = (next(line for line in lines.splitlines() if name in line) for name in ("clean", "fog_3"))
    assert "19.00 %" in clean
    assert "10.00 %" in fog
    assert next(line for line in lines.splitlines() if "minimum" in line).split()[1] == "10.00"
    assert "excess error at severity 3: +0." in lines
    assert "trial 2, classes that pruning hurts most: 0 (20.00 points)" in lines


def test_what_was_trained_on_is_told_from_what_was_not() -> None:
    files = {trial: {"accuracy@file_fog_5": 0.5, "accuracy@snow_3": 0.9 - trial / 10} for trial in range(3)}
    records = with_columns(told_trials(4), {trial: COLUMNS[trial] | files[trial] for trial in range(3)})
    lines = text(evaluation_lines(records, 0.005, ("fog", "contrast"))).splitlines()
    marked = {line.split()[0] for line in lines if "(trained on)" in line}
    assert marked == {"clean", "fog_3", "file_fog_5"}
    trained = evaluation_object(records, 0.005, ("fog",))["trained_on"]
    assert isinstance(trained, list)
    assert set(trained) == marked
    assert next(line for line in lines if "average, not trained on" in line).split()[-2:] == ["0.00", "%"]
    assert next(line for line in lines if "minimum, trained on" in line).split()[-2:] == ["10.00", "%"]
    assert not [line for line in shown(records).splitlines() if "trained on" in line]


def test_a_study_without_a_dense_trial_says_so() -> None:
    assert NO_REFERENCE in shown(trials()[1:])


def test_programs_get_every_column() -> None:
    plain = evaluation_object(trials(), 0.005)
    assert plain["minimum"] == pytest.approx(0.1)
    assert plain["average"] == pytest.approx((0.19 + 0.1) / 2)
    columns = plain["trials"]
    assert isinstance(columns, dict)
    assert columns.keys() == {"0", "1", "2"}
    assert COLUMNS[2].items() <= columns["2"].items()


def test_a_trial_shows_a_row_for_each_distribution_and_who_is_forgotten() -> None:
    record, dense = trials()[2], trials()[0]
    page = text(*columns_table(record.metrics, dense.metrics))
    assert next(line for line in page.splitlines() if "fog_3" in line).split()[1] == "70.00"
    assert "classes that pruning hurts most: 0 (20.00 points)" in page
    assert columns_table(told_trials(1)[0].metrics, None) == []


def test_masked_gradients_are_pointed_out() -> None:
    record = trials()[1]
    fooled = {"accuracy@pgd20_0.1": 0.5, "accuracy@transfer_0.1": 0.2}
    assert "trial 1 at radius 0.1 only seems robust" in shown(
        [trials()[0], replace(record, metrics={**record.metrics, **fooled})]
    )

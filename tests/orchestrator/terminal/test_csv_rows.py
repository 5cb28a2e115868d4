"""A front as CSV."""

import csv
import io
from dataclasses import replace

from orchestrator.results.reference import reference_first
from orchestrator.terminal.csv_rows import front_as_csv
from tests.orchestrator.example import OBJECTIVES, told_trial


def test_the_dense_network_comes_first_and_nothing_is_lost() -> None:
    dense, one, other = told_trial(0), told_trial(1), replace(told_trial(2), params={"note": 'a,"b"\nc', "params": 3})
    text = front_as_csv(reference_first([one, other], dense), {1, 2}, dense, OBJECTIVES)
    first, second, third = csv.DictReader(io.StringIO(text))
    assert [(r["trial"], r["reference"], r["on_front"]) for r in (first, second, third)] == [
        ("0", "true", "false"),
        ("1", "false", "true"),
        ("2", "false", "true"),
    ]
    assert float(second["macs"]) == one.metrics["macs"]
    assert float(second["accuracy_drop"]) == dense.metrics["accuracy"] - one.metrics["accuracy"]
    assert third["hyperparameters.note"] == 'a,"b"\nc'
    assert (third["hyperparameters.params"], first["hyperparameters.params"]) == ("3", "")
    assert float(third["params"]) == other.metrics["params"]


def test_without_a_reference_there_is_no_drop() -> None:
    (row,) = csv.DictReader(io.StringIO(front_as_csv([told_trial(1)], {1}, None, {"accuracy": "maximize"})))
    assert (row["reference"], row["accuracy_drop"]) == ("false", "")

"""The table of ways to prune while training: its rows, and which of them are said to be behind."""

from collections.abc import Sequence

import pytest

from benchmarks.gpu.training_ways_resnet56 import ROWS, goal_of, missed
from benchmarks.training_ways import EXPLANATIONS, METHODS, behind, table
from benchmarks.trials import Method, Metrics
from trainables import paradigms


def rows(*accuracies: float, macs: float = 50.0) -> Sequence[Metrics]:
    cost = {"macs": macs, "params": macs, "train_flops": macs, "macs_dense": 100.0, "params_dense": 100.0}
    return [{"test_accuracy": accuracy, "accuracy": accuracy, **cost} for accuracy in accuracies]


@pytest.mark.parametrize("method", [*METHODS.values(), *EXPLANATIONS.values(), *(row.method for row in ROWS.values())])
def test_every_row_is_a_paradigm_that_takes_its_settings(method: Method) -> None:
    paradigms.find(method.paradigm).create(method.settings).recipe(8)


def test_a_row_has_its_shares_of_the_dense_network_and_each_seed() -> None:
    lines = list(table({"dense": rows(0.9, 0.9, macs=100.0), "other": rows(0.81, 0.83, macs=40.0)}))
    assert lines[-1] == (
        "| other | 0.40 | 0.40 | 0.40 | 81.00, 83.00 | 82.00 (81.00 to 83.00) | 82.00 (81.00 to 83.00) |"
    )


def test_a_row_is_behind_if_it_lacks_more_than_the_seeds_differ() -> None:
    measured = {"uniform width": rows(0.90, 0.92), "near": rows(0.88, 0.91), "far": rows(0.86, 0.87)}
    assert [line.partition(" is ")[0] for line in behind(measured)] == ["far"]


def test_a_goal_beside_dense_waits_for_the_dense_row() -> None:
    measured = {"consensus": rows(0.92)}
    assert goal_of("consensus", measured) is None
    assert list(missed(measured)) == []
    both = {**measured, "dense": rows(0.94)}
    assert goal_of("consensus", both) == pytest.approx(93.0)
    assert list(missed(both)) == ["consensus: 92.00 % is below the goal of 93.00 %"]

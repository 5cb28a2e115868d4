"""The table of searched widths on CIFAR-100: its rows, and what they cost."""

import pytest

from benchmarks.gpu.widths_cifar100 import ROUNDS, ROWS, SEARCH, TRAINED, table, trial
from trainables import paradigms
from trainables.recipes.recipe import Train
from trainables.spec import DataSpec


def lengths(name: str) -> list[int]:
    """Return how many epochs each training of a row has, at full length."""
    spec = trial(ROWS[name], 0, TRAINED, DataSpec(name="cifar100", download=True))
    recipe = paradigms.find(spec.paradigm).create(spec.hyperparameters).recipe(spec.epochs)
    return [stage.epochs for stage in recipe if isinstance(stage, Train)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20", [TRAINED]),
        ("network_adjustment", [TRAINED] * (ROUNDS + 1)),
        ("channel_search", [2] * (SEARCH // 2) + [TRAINED]),
    ],
)
def test_rounds_and_the_last_training_have_the_lengths_of_the_papers(name: str, expected: list[int]) -> None:
    assert lengths(name) == expected


def test_what_is_trained_counts_in_trainings_of_the_network_before() -> None:
    cost = {"macs": 90.0, "params": 80.0, "macs_dense": 100.0, "params_dense": 100.0, "train_cost": 0.5}
    *_, line = table({"network_adjustment": [{"test_accuracy": 0.7, **cost}, {"test_accuracy": 0.72, **cost}]})
    assert line == "| network_adjustment | 2 | 71.00 (70.00 to 72.00) | 71.57 | 20.0 | 10.0 | 5.50 |"

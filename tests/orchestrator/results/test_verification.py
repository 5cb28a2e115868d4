"""A study held against published results: in values, and as it is typed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.published import PublishedResult, published_for
from orchestrator.results.verification import Change, change_of, verified
from tests.orchestrator.commands import Espalier, a_study
from tests.orchestrator.example import told_trial

DENSE = told_trial(0)


def theirs(folds: float, change: float, cost: str = "macs") -> PublishedResult:
    folded = {cost: folds}
    return PublishedResult(paper="A", year=2018, data="CIFAR-10", network="ResNet-56", change=change, folds=folded)


def ours(trial: int, folds: float, validation: float, test: float) -> TrialRecord:
    metrics = {**DENSE.metrics, "accuracy": validation, "test_accuracy": test, "macs": DENSE.metrics["macs"] / folds}
    return replace(told_trial(1), trial=trial, metrics=metrics)


def near(change: Change | None) -> tuple[float, float] | None:
    return None if change is None else (round(change.folds, 9), round(change.accuracy, 9))


@pytest.mark.parametrize(
    ("change", "difference", "verdict"), [(-0.02, 0.01, "reached"), (-0.01, 0.0, "reached"), (0.0, -0.01, "behind")]
)
def test_the_most_accurate_network_of_at_most_their_size_answers(
    change: float, difference: float, verdict: str
) -> None:
    records = [DENSE, ours(1, 1.9, 0.99, 0.98), ours(2, 2.0, 0.98, 0.97), ours(3, 4.0, 0.97, 0.98)]
    (answer,) = verified(records, DENSE, [theirs(2.0, change)])
    assert (answer.trial, near(answer.ours)) == (2, (2.0, -0.01))
    assert (answer.difference, answer.verdict) == (difference, verdict)


def test_test_accuracy_does_not_choose() -> None:
    (answer,) = verified([ours(1, 3.0, 0.90, 0.99), ours(2, 3.0, 0.91, 0.80)], DENSE, [theirs(2.0, 0.0)])
    assert answer.trial == 2


def test_what_no_network_is_as_small_as_has_no_answer() -> None:
    stopped = replace(ours(2, 9.0, 0.9, 0.9), state=State.PRUNED, fidelity=0.5)
    (answer,) = verified([DENSE, ours(1, 1.9, 0.9, 0.9), stopped], DENSE, [theirs(2.0, -0.1)])
    assert (answer.trial, answer.ours, answer.difference, answer.verdict) == (None, None, None, "none so small")


def test_each_cost_that_a_paper_tells_is_answered_the_smallest_change_first() -> None:
    both = replace(theirs(5.0, 0.0), folds={"macs": 5.0, "params": 3.0})
    answers = verified([ours(1, 2.0, 0.9, 0.9)], DENSE, [both, theirs(2.0, 0.0)])
    assert [(each.cost, each.published.folds[each.cost]) for each in answers] == [
        ("macs", 2.0),
        ("macs", 5.0),
        ("params", 3.0),
    ]


def test_a_change_is_told_on_test_only_where_both_were_measured_on_it() -> None:
    plain = replace(DENSE, metrics={k: v for k, v in DENSE.metrics.items() if k != "test_accuracy"})
    assert near(change_of(ours(1, 2.0, 0.95, 0.5), plain, "macs")) == (2.0, -0.04)
    assert change_of(ours(1, 2.0, 0.95, 0.5), None, "macs") is None


@pytest.fixture
def resnet(espalier: Espalier) -> Espalier:
    """Leave a study, on files that are there and that nobody opens."""
    images = Path("cifar-10-batches-py")
    images.mkdir()
    for name in ("batches.meta", *(f"data_batch_{part}" for part in range(1, 6)), "test_batch"):
        (images / name).touch()
    a_study(Path("espalier-store"), data={"name": "cifar10", "root": "."}, model={"name": "resnet56"})
    return espalier


def test_a_row_for_each_published_result_is_printed(resnet: Espalier) -> None:
    status, out, err = resnet("verify", "small", "--json")
    assert (status, err) == (0, "")
    rows = json.loads(out)
    assert len(rows) == sum(len(result.folds) for result in published_for("cifar10", ["resnet56"]))
    assert {row["verdict"] for row in rows} <= {"reached", "behind", "none so small"}
    assert {row["cost"] for row in rows} == {"macs", "params"}
    status, out, err = resnet("verify", "small")
    assert (status, err) == (0, "")
    assert out.startswith(f"{len(rows)} published results: ")
    assert "a verdict is no measurement" in out


def test_what_no_paper_tells_of_is_refused(espalier: Espalier) -> None:
    a_study(Path("espalier-store"))
    status, out, err = espalier("verify", "small")
    assert (status, out) == (2, "")
    assert "NAME = 'small': no published result is known for digits_cnn on digits" in err

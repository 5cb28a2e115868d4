"""Ensembles of a study's networks for the MACs of one of them."""

import pytest
import torch

from orchestrator.evaluation.deep_ensembles import Candidate, chosen
from orchestrator.evaluation.evaluating import evaluate
from orchestrator.evaluation.wanted import Wanted
from orchestrator.ledger import ledger
from orchestrator.results.ensembles import ALL, ensembles, name_of
from orchestrator.results.evaluated import with_evaluations
from orchestrator.results.potential import distributions
from orchestrator.store.evaluations import Evaluations
from orchestrator.store.store import StudyFolder
from orchestrator.terminal.evaluation_tables import ensemble_table, evaluation_object
from tests.orchestrator.trained import DENSE, FILTERS, WEIGHTS

LABELS = torch.tensor([0, 1, 0, 1])


def a_candidate(macs: float, *right: float) -> Candidate:
    """Return a network by the probabilities that it gives to the right classes."""
    of_right = torch.tensor(right, dtype=torch.float64)
    probabilities = torch.stack([of_right, 1 - of_right], 1)
    swapped = torch.where(LABELS[:, None] == 0, probabilities, probabilities.flip(1))
    return Candidate(macs, swapped, swapped)


GOOD, LEFT, RIGHT, BAD = (
    a_candidate(4, 0.8, 0.8, 0.8, 0.8),
    a_candidate(2, 0.9, 0.9, 0.4, 0.4),
    a_candidate(2, 0.4, 0.4, 0.9, 0.9),
    a_candidate(1, 0.1, 0.1, 0.1, 0.1),
)
FOUR = {0: GOOD, 1: LEFT, 2: RIGHT, 3: BAD}


def test_members_together_cost_at_most_what_one_network_does() -> None:
    assert chosen(4, FOUR, LABELS) == (1, 2)
    assert chosen(3, FOUR, LABELS) in ((1, 3), (2, 3))
    assert chosen(2, FOUR, LABELS) == ()


def test_a_member_that_does_not_help_is_left_out_unless_it_is_the_second() -> None:
    assert chosen(100, FOUR, LABELS)[0] == 0
    assert 3 not in chosen(100, FOUR, LABELS)
    assert chosen(5, {0: GOOD, 3: BAD}, LABELS) == (0, 3)
    assert chosen(100, {0: GOOD}, LABELS) == ()


def test_the_order_of_the_candidates_does_not_matter() -> None:
    assert chosen(4, dict(reversed(FOUR.items())), LABELS) == chosen(4, FOUR, LABELS)


def test_a_study_gains_an_ensemble_beside_its_networks_once(study: StudyFolder) -> None:
    def measure() -> None:
        evaluate(study, study.path / "cache", Wanted(kinds=()), lambda *_: None, device="cpu", ensembles=True)

    measure()
    members = Evaluations(study).members(ALL)
    records = with_evaluations(study, ledger.read(study))
    for trial, of in members.items():
        metrics = records[trial].metrics
        assert metrics["macs@deep_ensemble"] == pytest.approx(sum(records[one].metrics["macs"] for one in of))
        assert metrics["macs@deep_ensemble"] <= metrics["macs"]
        assert {"accuracy@deep_ensemble", "nll@deep_ensemble", "ece@deep_ensemble"} <= metrics.keys()
    assert members == {DENSE: (FILTERS, WEIGHTS)} or members == {DENSE: (WEIGHTS, FILTERS)}
    assert distributions(records) == ["clean"]
    shown = evaluation_object(records, 0.005, (), members)["deep_ensembles"]
    assert shown == {str(DENSE): list(members[DENSE])}
    assert ensemble_table(records, members, ALL)
    files = {path: path.stat().st_mtime_ns for path in study.path.glob("evaluations/*.json")}
    measure()
    assert {path: path.stat().st_mtime_ns for path in study.path.glob("evaluations/*.json")} == files


def test_ensembles_of_fewer_networks_stand_beside_those_of_all(study: StudyFolder) -> None:
    def measure(*trials: int) -> tuple[int, ...]:
        cache, wanted = study.path / "cache", Wanted(kinds=())
        done = evaluate(study, cache, wanted, lambda *_: None, device="cpu", trials=trials, ensembles=True)
        return done.replaced

    def losses(name: str) -> dict[int, float]:
        columns = Evaluations(study).columns()
        return {trial: of[f"nll@{name}"] for trial, of in columns.items() if f"nll@{name}" in of}

    measure()
    of_all, named = losses(ALL), name_of([DENSE], front=False)
    assert measure(DENSE, FILTERS) == ()
    assert losses(ALL) == of_all
    assert Evaluations(study).members(named) == {}
    assert measure(DENSE, FILTERS, WEIGHTS) == (DENSE, FILTERS)
    assert losses(named) == of_all
    records = with_evaluations(study, ledger.read(study))
    assert [(record.trial, names) for record, names in ensembles(records)] == [(DENSE, [ALL, named])]

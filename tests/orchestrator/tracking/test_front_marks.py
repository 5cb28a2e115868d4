"""How runs in MLflow show the front by the mean over seeds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.replicates import front_by_mean
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES, told_trial
from tests.orchestrator.mlflow_runs import artifact, open_runs, parent, rows, runs, trials


def seed(trial: int, sparsity: float, accuracy: float) -> TrialRecord:
    first = told_trial(1)
    metrics = {**first.metrics, "accuracy": accuracy, "macs": 1e6 * (1 - sparsity)}
    return replace(told_trial(1), trial=trial, seed=trial, params={"sparsity": sparsity}, metrics=metrics)


LUCKY = [seed(0, 0.5, 0.97), seed(1, 0.5, 0.95), seed(2, 0.6, 0.965), seed(3, 0.5, 0.94)]
"""A network that was lucky with its first seed, and a smaller one that is better by the means."""


@pytest.fixture
def asking(study: TrackedStudy) -> TrackedStudy:
    """The study, asking for several seeds."""
    return replace(study, means_within=())


def written(study: TrackedStudy, records: list[TrialRecord]) -> None:
    writer = open_runs(study)
    for record in records:
        writer.tell(record)
    writer.show_front(records)


def test_on_front_means_the_front_by_the_mean_where_a_study_asks_for_seeds(asking: TrackedStudy) -> None:
    written(asking, LUCKY)
    members = [group.first.trial for group in front_by_mean(LUCKY, OBJECTIVES)]
    assert trials(runs(asking, "tags.on_front = 'true'")) == members == [2]
    assert trials(runs(asking, "tags.on_front_of_single_trials = 'true'")) == [0, 2]
    assert trials(runs(asking, "tags.configuration = '0'")) == [0, 1, 3]


def test_the_search_box_finds_the_best_mean_below_a_limit(asking: TrackedStudy) -> None:
    written(asking, [*LUCKY, seed(4, 0.3, 0.99)])
    (found,) = runs(asking, "tags.on_front = 'true' and metrics.`mean/macs` < 450000")
    assert found.data.metrics["mean/accuracy"] == 0.965
    assert found.data.metrics["seeds"] == 1
    (repeated,) = runs(asking, "metrics.seeds = 3")
    assert repeated.data.metrics["mean/accuracy"] == pytest.approx((0.97 + 0.95 + 0.94) / 3)


def test_means_follow_further_seeds_and_are_written_once(asking: TrackedStudy, database: Path) -> None:
    writer = open_runs(asking)
    for record in LUCKY:
        writer.tell(record)
    query = "select step, value from metrics where key = 'mean/accuracy' order by step"
    for known in (LUCKY[:1], LUCKY[:2], LUCKY[:2]):
        writer.show_front(known)
    assert rows(database, query) == [(1, 0.97), (2, pytest.approx(0.96))]
    open_runs(asking).show_front(LUCKY[:2])
    assert len(rows(database, query)) == 2
    (first,) = runs(asking, "tags.on_front = 'true'")
    assert first.data.metrics["mean/accuracy"] == pytest.approx(0.96)


def test_a_study_that_is_extended_by_seeds_gets_their_views_and_marks(
    study: TrackedStudy, asking: TrackedStudy
) -> None:
    written(study, LUCKY)
    assert trials(runs(study, "tags.on_front = 'true'")) == [0, 2]
    assert runs(study, "tags.configuration = '0'") == []
    written(asking, LUCKY)
    assert trials(runs(study, "tags.on_front = 'true'")) == [2]
    written(study, LUCKY)
    assert trials(runs(study, "tags.on_front = 'true'")) == [0, 2]
    assert runs(study, "tags.on_front_of_single_trials = 'true'") == []


def test_the_parent_shows_the_means_first_and_single_trials_beside_them(asking: TrackedStudy) -> None:
    written(asking, LUCKY)
    shown = json.loads(parent(asking).data.tags["mlflow.loggedArtifacts"])
    assert [one["path"] for one in shown] == ["front.json", "front_of_single_trials.json"]
    means = json.loads(artifact(asking, "front.json").read_text())
    assert [dict(zip(means["columns"], row, strict=True))["trial"] for row in means["data"]] == [2]
    single = json.loads(artifact(asking, "front_of_single_trials.json").read_text())
    assert [row[0] for row in single["data"]] == [0, 2]

"""How runs in MLflow show the front by the mean over seeds."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.replicates import front_by_mean
from orchestrator.results.standings import standings
from orchestrator.tracking.front_marks import means_of
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


def means(study: TrackedStudy) -> dict[int, dict[str, float]]:
    """Return what the runs of trials show of means, by trial."""
    shown = {int(run.data.tags["trial"]): means_of(run.data.metrics) for run in runs(study)}
    return {trial: values for trial, values in shown.items() if values}


def without(metric: str, record: TrialRecord) -> TrialRecord:
    return replace(record, metrics={name: value for name, value in record.metrics.items() if name != metric})


LATER = {
    "a seed lacks the test accuracy": [*LUCKY[:3], without("test_accuracy", LUCKY[3])],
    "fewer seeds count": [*LUCKY[:3], replace(LUCKY[3], metrics={})],
    "another trial is the first": [replace(LUCKY[0], metrics={}), *LUCKY[1:]],
    "a member leaves the front": [*LUCKY, seed(4, 0.7, 0.99)],
    "a member that has left it gets a seed": [*LUCKY, seed(4, 0.7, 0.99), seed(5, 0.6, 0.1)],
    "as many seeds have other values": [*LUCKY[:3], seed(3, 0.5, 0.1)],
}
"""What becomes of `LUCKY`, of which trial 0 shows the means of three seeds and trial 2 those of its only one."""


def assert_shown(study: TrackedStudy, records: list[TrialRecord]) -> None:
    """The front is marked as it stands, and each mean that is shown is the one that there is."""
    known = standings(records, OBJECTIVES, ())
    assert known.by_mean is not None
    expected = {
        first: {"seeds": seeds, **{f"mean/{name}": mean for name, mean in known.by_mean.means[first].items()}}
        for first, seeds in known.by_mean.seeds.items()
    }
    shown = means(study)
    assert shown == {trial: pytest.approx(expected[trial]) for trial in shown}
    assert shown.keys() >= {trial for trial, seeds in known.by_mean.seeds.items() if seeds > 1} | known.members
    assert trials(runs(study, "tags.on_front = 'true'")) == sorted(known.members)


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_no_mean_stays_behind(later: list[TrialRecord], asking: TrackedStudy) -> None:
    written(asking, LUCKY)
    assert means(asking).keys() == {0, 2}
    written(asking, later)
    assert_shown(asking, later)


def test_a_run_that_cannot_lose_a_mean_is_written_again(asking: TrackedStudy, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE params ADD COLUMN unknown TEXT")  # so that only MLflow's own calls write
    written(asking, LUCKY)
    before = {run.data.tags["trial"]: run.info.run_id for run in runs(asking)}
    later = LATER["a seed lacks the test accuracy"]
    written(asking, later)
    assert_shown(asking, later)
    after = {run.data.tags["trial"]: run.info.run_id for run in runs(asking)}
    assert {trial for trial in before if before[trial] != after[trial]} == {"0", "3"}


def test_a_study_that_no_longer_asks_for_seeds_shows_no_means(study: TrackedStudy, asking: TrackedStudy) -> None:
    written(asking, LUCKY)
    written(study, LUCKY)
    assert means(study) == {}
    written(asking, LUCKY)
    assert means(asking).keys() == {0, 2}


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

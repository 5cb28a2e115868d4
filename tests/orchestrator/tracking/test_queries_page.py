"""What the page on queries asks of MLflow, asked of a real database of a study with its name."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from mlflow import MlflowClient

from orchestrator.ledger.records import TrialRecord
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import told_trials
from tests.orchestrator.mlflow_runs import mlflow_may_warn, open_runs, runs, trials
from tests.pages import ROOT, blocks

PAGE = ROOT / "docs" / "queries.md"
SMALL: int = 400_000


@pytest.fixture
def records() -> list[TrialRecord]:
    """Return trials of which some need less than the page's limit."""
    return [record for record in told_trials(16) if record.metrics]


@pytest.fixture
def digits(study: TrackedStudy, records: list[TrialRecord]) -> TrackedStudy:
    """The page's study; it asks for seeds, of which each configuration has one so far."""
    named = replace(study, name="digits", means_within=())
    writer = open_runs(named)
    writer.tell_some(records)
    writer.show_front(records)
    return named


def best(records: Sequence[TrialRecord]) -> int:
    small = [record for record in records if record.metrics["macs"] < SMALL]
    assert 0 < len(small) < len(records)
    return max(small, key=lambda record: record.metrics["accuracy"]).trial


def test_the_search_box_takes_the_filters(digits: TrackedStudy, records: list[TrialRecord]) -> None:
    filters = [text.strip() for text in blocks(PAGE, "text") if text.startswith("tags.")]
    assert len(filters) == 2
    for where in filters:
        found = trials(runs(digits, where))
        assert best(records) in found
        assert len(found) < len(records)


def test_the_python_prints_the_network(
    digits: TrackedStudy, records: list[TrialRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = (text for text in blocks(PAGE, "python") if "mlflow" in text)
    with mlflow_may_warn():
        exec(code.replace("sqlite:///espalier-store/mlflow.db", digits.uri), {})
    assert dict(line.split() for line in capsys.readouterr().out.splitlines()[:3])["tags.trial"] == str(best(records))


def test_the_body_of_the_rest_request_finds_the_network(digits: TrackedStudy, records: list[TrialRecord]) -> None:
    (commands,) = (text for text in blocks(PAGE, "sh") if "curl" in text)
    words = shlex.split(commands.replace("\\\n", " "))
    body: dict[str, Any] = json.loads(words[words.index("-d") + 1])
    with mlflow_may_warn():
        client = MlflowClient(digits.uri)
        experiment = client.get_experiment_by_name("digits")
        assert experiment is not None
        asked = {"order_by": body["order_by"], "max_results": body["max_results"]}
        found = client.search_runs([experiment.experiment_id], body["filter"], **asked)
    assert trials(list(found)) == [best(records)]

"""Links from trials to their runs in MLflow."""

from pathlib import Path

from orchestrator.tracking.run_links import RunLinks
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import told_trials
from tests.orchestrator.mlflow_runs import open_runs, parent, runs


def test_a_study_leads_to_its_front_and_a_trial_to_its_run(study: TrackedStudy, database: Path) -> None:
    writer = open_runs(study)
    for record in told_trials(2):
        writer.tell(record)
    links, experiment = RunLinks(database, "http://127.0.0.1:5001"), parent(study).info.experiment_id
    wanted = "workflowType=machine_learning"
    front = f"http://127.0.0.1:5001/#/experiments/{experiment}/runs?{wanted}&viewStateShareKey=front"
    assert links.study("example") == front
    ids = {run.data.tags["trial"]: run.info.run_id for run in runs(study)}
    assert links.trial("example", 1) == f"http://127.0.0.1:5001/#/experiments/{experiment}/runs/{ids['1']}?{wanted}"


def test_what_mlflow_does_not_know_has_no_link(study: TrackedStudy, database: Path, tmp_path: Path) -> None:
    open_runs(study)
    assert RunLinks(database, "").trial("example", 7) is None
    assert RunLinks(database, "").study("another") is None
    assert RunLinks(tmp_path / "missing.db", "").study("example") is None
    assert not (tmp_path / "missing.db").exists()
    (tmp_path / "text.db").write_text("no database")
    assert RunLinks(tmp_path / "text.db", "").study("example") is None

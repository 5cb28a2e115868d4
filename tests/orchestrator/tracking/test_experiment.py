"""The experiment in MLflow that holds a study's runs."""

from dataclasses import replace

from mlflow import MlflowClient

from orchestrator.tracking.experiment import experiment_of
from orchestrator.tracking.saved_views import views
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES
from tests.orchestrator.mlflow_runs import mlflow_may_warn


def test_an_experiment_is_created_once_found_again_and_restored_if_it_was_deleted(study: TrackedStudy) -> None:
    with mlflow_may_warn():
        client = MlflowClient(study.uri)
        made = experiment_of(study, client)
        client.delete_experiment(made)
        assert experiment_of(study, client) == made
        assert client.get_experiment(made).lifecycle_stage == "active"


def test_its_views_are_those_that_the_study_has_now(study: TrackedStudy) -> None:
    with mlflow_may_warn():
        client = MlflowClient(study.uri)
        for asking, by_mean in ((study, False), (replace(study, means_within=()), True)):
            tags = client.get_experiment(experiment_of(asking, client)).tags
            assert views(OBJECTIVES, by_mean=by_mean).items() <= tags.items()

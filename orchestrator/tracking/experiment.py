"""The experiment in MLflow that holds a study's runs, with the views of them that MLflow's pages show."""

from mlflow import MlflowClient

from orchestrator.tracking.saved_views import views
from orchestrator.tracking.steps import TrackedStudy


def experiment_of(study: TrackedStudy, client: MlflowClient) -> str:
    """Return the id of a study's experiment: found by its name and restored if it was deleted, or created.

    Its views are those that the study has now: it may have been extended by seeds.
    """
    experiment, shown = client.get_experiment_by_name(study.name), _views(study)
    if experiment is None:
        return _create(study, client, shown)
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
    for tag, view in shown.items():
        if experiment.tags.get(tag) != view:
            client.set_experiment_tag(experiment.experiment_id, tag, view)
    return str(experiment.experiment_id)


def _views(study: TrackedStudy) -> dict[str, str]:
    return views(study.objectives, by_mean=study.means_within is not None)


def _create(study: TrackedStudy, client: MlflowClient, shown: dict[str, str]) -> str:
    local = not study.uri.startswith(("http:", "https:", "databricks"))  # a server has its own location
    location = (study.artifacts / study.name).as_uri() if local else None
    metric, direction = next(iter(study.objectives.items()))
    tags = {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": metric,
        "mlflow.experiment.primaryMetric.greaterIsBetter": str(direction == "maximize"),
        **shown,
    }
    return str(client.create_experiment(study.name, artifact_location=location, tags=tags))

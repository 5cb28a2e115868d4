"""The networks of a front as models in MLflow: run without espalier, linked to run and data, named by aliases."""

import json
import sqlite3
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from orchestrator.ledger import ledger
from orchestrator.networks.loading import load
from orchestrator.results.front import trials_on_front
from orchestrator.results.standings import members, standings
from orchestrator.store.store import Store
from orchestrator.tracking.database import Database
from orchestrator.tracking.front_models import Written, aliases
from orchestrator.tracking.syncing import rebuild, write_models
from tests.orchestrator.commands import a_study
from tests.orchestrator.example import OBJECTIVES, told_trials
from tests.orchestrator.trained import a_repeated_study, a_trained_study
from trainables.errors import InvalidValue

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow's own use of SQLAlchemy
    pytest.mark.usefixtures("client"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Written]:
    """A finished study whose front is in MLflow: all of its trials, since they are equally accurate or smaller."""
    place = tmp_path_factory.mktemp("store")
    spec = a_trained_study(place, tracking="store", objectives={"accuracy": "maximize", "macs": "minimize"})
    rebuild(spec.name, Store(place))
    return Store(place), write_models(spec.name, Store(place), register=True)


@pytest.fixture
def client(written: tuple[Store, Written]) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(written[0].mlflow_uri)
    return mlflow.MlflowClient(written[0].mlflow_uri)


def test_every_member_is_a_model_and_is_written_once(written: tuple[Store, Written]) -> None:
    store, first = written
    assert first.refused == {}
    assert (first.new, len(first.models)) == (len(first.models), len(first.models))
    again = write_models("small", store, register=True)
    assert (again.new, again.models, again.aliases) == (0, first.models, first.aliases)


def test_a_model_runs_on_batches_of_any_size_where_espalier_cannot_be_imported(
    written: tuple[Store, Written], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = written[1].aliases["front-smallest"]
    expected = load(written[0], "small", trial)
    for package in ("trainables", "orchestrator", "search_spaces", "espalier"):
        monkeypatch.setitem(sys.modules, package, None)
    network = mlflow.pytorch.load_model("models:/small@front-smallest")
    for size in (1, 2, 5):
        images = torch.rand(size, 1, 8, 8)
        assert torch.allclose(network(images), expected(images), atol=1e-5)
    served = mlflow.pyfunc.load_model(f"models:/{written[1].models[trial]}")
    assert served.predict(np.zeros((3, 1, 8, 8), dtype=np.float32)).shape == (3, 10)
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)


def test_metrics_and_hyper_parameters_are_the_trial_s_and_name_their_data(
    written: tuple[Store, Written], client: mlflow.MlflowClient
) -> None:
    store, done = written
    trial, model_id = next(iter(done.models.items()))
    record = ledger.read(store.study("small"))[trial]
    model = client.get_logged_model(model_id)
    assert {metric.key: metric.value for metric in model.metrics} == pytest.approx(dict(record.metrics))
    assert model.params == {name: str(value) for name, value in record.params.items()}
    splits = {metric.key: metric.dataset_name for metric in model.metrics}
    assert (splits["accuracy"], splits["test_accuracy"], splits["macs"]) == ("validation", "test", None)
    run = client.get_run(model.source_run_id)
    assert run.data.tags["trial"] == str(trial)
    assert run.info.status == "FINISHED"
    assert [output.model_id for output in run.outputs.model_outputs] == [model_id]
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == {"validation", "test"}


def test_models_follow_a_store_that_is_moved(written: tuple[Store, Written], tmp_path: Path) -> None:
    store, _ = written
    with sqlite3.connect(store.mlflow_database) as source, sqlite3.connect(tmp_path / "mlflow.db") as copy:
        source.backup(copy)
        copy.commit()
    moved = Store(tmp_path)
    Database(moved.mlflow_database, moved.artifacts).relocate()
    found = mlflow.MlflowClient(moved.mlflow_uri).search_logged_models(["1"])
    assert found
    assert all(model.artifact_location.startswith(moved.artifacts.as_uri()) for model in found)


def test_a_member_without_its_checkpoint_is_refused_with_the_reason(written: tuple[Store, Written]) -> None:
    store = written[0]
    a_study(store.root, name="other", tracking="store")
    rebuild("other", store)
    done = write_models("other", store, register=True)
    assert (done.models, done.aliases) == ({}, {})
    assert done.refused
    assert all("has no intact checkpoint in the store" in reason for reason in done.refused.values())


def test_the_front_is_that_of_the_means_where_a_study_asks_for_seeds(tmp_path: Path) -> None:
    spec, store = a_repeated_study(tmp_path, tracking="store"), Store(tmp_path)
    rebuild(spec.name, store)
    done = write_models(spec.name, store, register=True)
    records = ledger.read(store.study(spec.name))
    front = members(records, spec.objectives, spec.means_within)
    assert done.models.keys() == standings(records, spec.objectives, spec.means_within).members
    assert done.models.keys() != trials_on_front(records, spec.objectives)
    assert done.aliases == aliases(front, spec.objectives)


def test_a_study_without_mlflow_has_no_models(tmp_path: Path) -> None:
    a_study(tmp_path)
    with pytest.raises(InvalidValue, match="needs MLflow, and the study file says `tracking: none`"):
        write_models("small", Store(tmp_path), register=False)


def test_aliases_name_the_ends_and_the_knee() -> None:
    front = [record for record in told_trials(12) if record.metrics]
    named = aliases(front, OBJECTIVES)
    assert named["front-most-accurate"] == max(front, key=lambda record: record.metrics["accuracy"]).trial
    assert named["front-smallest"] == min(front, key=lambda record: record.metrics["macs"]).trial
    assert named["front-most-accurate"] < named["front-knee"] <= named["front-smallest"]
    assert aliases([], OBJECTIVES) == {}


def test_the_file_of_a_model_says_how_images_were_scaled(written: tuple[Store, Written]) -> None:
    model = mlflow.models.get_model_info(f"models:/{next(iter(written[1].models.values()))}")
    assert len(json.loads(json.dumps(model.metadata))["mean"]) == 1

"""The networks on a study's front as models in MLflow: a LoggedModel each, and aliases in the registry on request.

They are written after a study, on request: to export a network takes seconds. Each is PyTorch's traced program (pt2)
with its signature, so `mlflow.pytorch.load_model("models:/ID")` runs it where espalier is not installed. Its metrics
are those of the trial, linked to the data on which they were measured.
"""

import logging
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import mlflow.pytorch
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModel, LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

from orchestrator.ledger.records import TrialRecord
from orchestrator.networks.loading import TrainedNetwork, load_trained
from orchestrator.results.front import Objectives, in_ranges, losses
from orchestrator.store.store import StudyFolder
from orchestrator.tracking.run_contents import key
from orchestrator.tracking.steps import TrackedStudy
from trainables.errors import EspalierError, InvalidValue
from trainables.metrics import AT, VALIDATION

DIGEST: Final = "digest"
"""The tag with the digest of the run that a model belongs to: a trial's run is written again if its record changed."""

SPLITS: Final = ("test", "validation")
"""The split on which a metric is measured; all others are of the network alone."""


@dataclass(frozen=True)
class Written:
    """What was done: the models of the front by trial, how many were new, and why others could not be written."""

    models: Mapping[int, str]
    new: int
    refused: Mapping[int, str]
    aliases: Mapping[str, int]


class NoRun(EspalierError):
    """A trial or study has no run in MLflow to which a model could belong."""


def write_front_models(
    study: TrackedStudy, folder: StudyFolder, front: Sequence[TrialRecord], *, register: bool
) -> Written:
    """Write a LoggedModel for every member of a front that has none; with `register`, set the registry's aliases.

    A member whose checkpoint is gone, or whose network cannot be traced, is left out with the reason.
    """
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    writer = _Writer(study)
    models, refused, new = {}, {}, 0
    for record in front:
        try:
            model, is_new = writer.model_of(record, folder)
        except (InvalidValue, NoRun, MlflowException, RuntimeError, ValueError) as error:
            refused[record.trial] = str(error).partition("\n")[0]
        else:
            models[record.trial], new = model.model_id, new + is_new
    chosen = aliases([record for record in front if record.trial in models], study.objectives) if register else {}
    writer.set_aliases({alias: models[trial] for alias, trial in chosen.items()})
    return Written(models, new, refused, chosen)


def aliases(front: Sequence[TrialRecord], objectives: Objectives) -> dict[str, int]:
    """Return which trial each alias names: the ends of a front by its first and its second objective, and its knee.

    The knee is the member closest to the best values of all objectives, each in units of its range over the front.
    """
    if not front:
        return {}
    points = in_ranges(losses(front, objectives))
    points = points - points.min(axis=0)
    knee = int(np.linalg.norm(points, axis=1).argmin())
    named = {"front-most-accurate": int(points[:, 0].argmin()), "front-knee": knee}
    if len(objectives) > 1:
        named["front-smallest"] = int(points[:, 1].argmin())
    return {alias: front[index].trial for alias, index in named.items()}


class _Writer:
    """The models of one study's experiment."""

    def __init__(self, study: TrackedStudy) -> None:
        mlflow.set_tracking_uri(study.uri)  # the registry looks there for models, whatever its client was told
        self._study, self._client = study, MlflowClient(study.uri)
        experiment = self._client.get_experiment_by_name(study.name)
        if experiment is None:
            raise NoRun(f"MLflow at {study.uri} has no experiment {study.name}")
        self._experiment = str(experiment.experiment_id)
        known = self._client.search_logged_models([self._experiment])
        self._known = {model.tags.get(DIGEST): model for model in known if str(model.status) == "READY"}

    def model_of(self, record: TrialRecord, folder: StudyFolder) -> tuple[LoggedModel, bool]:
        """Return a trial's model, and whether it was written just now."""
        filter_string = f"tags.trial = '{record.trial}' AND tags.level = 'trial'"
        runs = self._client.search_runs([self._experiment], filter_string)
        if not runs:
            raise NoRun("has no run in MLflow")
        run, digest = runs[0].info.run_id, runs[0].data.tags.get(DIGEST, "")
        if digest in self._known:
            return self._known[digest], False
        network = load_trained(folder, record.trial)
        return self._write(run, digest, network), True

    def set_aliases(self, models: Mapping[str, str]) -> None:
        """Point the aliases of the registered model with the study's name at versions made of these models."""
        name, versions = self._study.name, {}
        if models:
            self._require_registered(name)
            existing = self._client.search_model_versions(f"name = '{name}'")
            versions = {one.model_id: one.version for one in existing if one.model_id}
        for alias, model in models.items():
            if model not in versions:
                made = self._client.create_model_version(name, f"models:/{model}", model_id=model)
                versions[model] = made.version
            self._client.set_registered_model_alias(name, alias, versions[model])

    def _require_registered(self, name: str) -> None:
        try:
            self._client.get_registered_model(name)
        except MlflowException:
            self._client.create_registered_model(name)

    def _write(self, run: str, digest: str, network: TrainedNetwork) -> LoggedModel:
        record = network.record
        params = {name: str(value) for name, value in record.params.items()}
        tags = {DIGEST: digest, "trial": str(record.trial), "paradigm": record.paradigm}
        name = f"{record.trial:04d}-{record.paradigm}"
        model: LoggedModel = self._client.create_logged_model(
            self._experiment, name, source_run_id=run, tags=tags, params=params, model_type="pruned network"
        )
        try:
            with TemporaryDirectory() as folder:
                _save(network, Path(folder) / "model", model.model_id, run)
                self._client.log_model_artifacts(model.model_id, str(Path(folder) / "model"))
        except BaseException:
            self._client.finalize_logged_model(model.model_id, "FAILED")
            raise
        self._link(run, model, record)
        finished: LoggedModel = self._client.finalize_logged_model(model.model_id, "READY")
        return finished

    def _link(self, run: str, model: LoggedModel, record: TrialRecord) -> None:
        """Link a model with its run, and its metrics with the split on which they were measured."""
        at = int(record.finished.timestamp() * 1000) if record.finished else 0
        data = {split: _dataset(self._study, split) for split in SPLITS}
        inputs = [DatasetInput(one, [InputTag("mlflow.data.context", split)]) for split, one in data.items()]
        self._client.log_inputs(run, inputs)
        self._client.log_outputs(run, [LoggedModelOutput(model.model_id, 0)])
        for name, value in record.metrics.items():
            measured_on = data.get(_split_of(name, record.metrics))
            about = {"dataset_name": measured_on.name, "dataset_digest": measured_on.digest} if measured_on else {}
            self._client.log_metric(run, key(name), value, at, 0, model_id=model.model_id, **about)


def _split_of(metric: str, measured: Container[str]) -> str:
    """Return the split that a metric is of: it has a twin of the other one. Costs have none: an empty text."""
    if metric.startswith("test_") and metric.removeprefix("test_") in measured:
        return "test"
    return "validation" if f"test_{metric}" in measured or f"{AT}{VALIDATION}" in metric else ""


def _dataset(study: TrackedStudy, split: str) -> Dataset:
    return Dataset(
        name=split,
        digest=study.tags.get("data_hash", "")[:36] or "unknown",
        source_type="code",
        source="{}",
    )


def _save(network: TrainedNetwork, path: Path, model_id: str, run: str) -> None:
    """Write a network as MLflow's PyTorch flavour, traced for batches of any size."""
    from trainables.export.exporting import evaluated

    shape = network.signature.input_shape
    mlflow.pytorch.save_model(
        evaluated(network.model),
        str(path),
        mlflow_model=Model(model_id=model_id, run_id=run),
        signature=_signature(network),
        input_example=np.random.default_rng(0).random(
            (2, *shape), dtype=np.float32
        ),  # a single sample fixes the batch to one
        pip_requirements=[f"mlflow=={version('mlflow')}", f"torch=={version('torch').partition('+')[0]}"],
        serialization_format="pt2",
        metadata={
            "inputs": f"{network.inputs.name}: {network.inputs.meaning}",
            "mean": list(network.signature.mean),
            "std": list(network.signature.std),
        },
    )


def _signature(network: TrainedNetwork) -> ModelSignature:
    kind = np.dtype(np.float32)
    inputs = Schema([TensorSpec(kind, (-1, *network.signature.input_shape))])
    return ModelSignature(inputs, Schema([TensorSpec(kind, (-1, *network.output_shape))]))

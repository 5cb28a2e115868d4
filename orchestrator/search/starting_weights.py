"""Turns the weights that a study's networks start from into files that its workers can read, and checks them."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.safe_files import write_whole
from orchestrator.search.network_check import NetworkCheck
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.remote import patiently
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import trial_files
from trainables.errors import InvalidValue
from trainables.models.weights import EarlierTrial, earlier_trial, is_file, sha256
from trainables.spec import ModelSpec, TrialSpec

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

KEY: Final = "model.weights"


@dataclass(frozen=True)
class StartingWeights:
    """The files with the weights of a study's networks, by the network's name and what the study says of its weights.

    `hashes` are their SHA-256, by what the study says.
    """

    files: Mapping[tuple[str, str], Path]
    hashes: Mapping[str, str]

    def placed(self, trial: TrialSpec) -> TrialSpec:
        """Return a trial whose network starts from a file."""
        path = self.files.get((trial.model.name, trial.model.weights or ""))
        return trial if path is None else replace(trial, model=replace(trial.model, weights=str(path)))

    def require_same(self, stamped: Mapping[str, str]) -> None:
        """Raise InvalidValue if weights differ from those that a study's stamp names."""
        for source, digest in self.hashes.items():
            if stamped.get(source, digest) != digest:
                allowed = f"has changed since the launch (SHA-256 {digest[:12]}, was {stamped[source][:12]})"
                raise InvalidValue(KEY, source, f"{allowed}: put the old weights back, or launch a new study")


def gather(spec: StudySpec, store: Store) -> StartingWeights:
    """Return the files with the weights of a study's networks; those that no file holds are written into its folder.

    This may download weights. Raises InvalidValue for weights that cannot be had, or are not of the network.
    """
    files: dict[tuple[str, str], Path] = {}
    for network in spec.networks:
        if network.weights is not None:
            alone = spec.model_copy(update={"model": network})
            files[network.name, network.weights] = _file(alone, network, store)
    return StartingWeights(files, {weights: sha256(path) for (_, weights), path in files.items()})


def _file(spec: StudySpec, network: ModelSpec, store: Store) -> Path:
    from trainables.models import weight_files  # imports torch

    weights = str(network.weights)
    try:
        if is_file(weights):
            _check(spec, network, weight_files.read(Path(weights)))
            return Path(weights)
        folder = store.study(spec.name)
        path = _path(folder, network)
        patiently(partial(folder.pull, path))
        if path.exists():
            _check(spec, network, weight_files.read(path))
        else:
            _write(folder, path, _check(spec, network, _state(spec, network, store)))
        return path
    except InvalidValue as refused:
        key = KEY if refused.key == "weights" else refused.key
        raise InvalidValue(key, weights, refused.allowed) from refused


def _path(folder: StudyFolder, network: ModelSpec) -> Path:
    digest = hashlib.sha256(f"{network.name} {network.weights}".encode()).hexdigest()
    return folder.path / f"weights-{digest[:12]}.safetensors"


def _state(spec: StudySpec, network: ModelSpec, store: Store) -> "dict[str, Tensor]":
    from trainables.models import weight_files

    earlier = earlier_trial(str(network.weights))
    if earlier is not None:
        return _trained(earlier, store, spec.name)
    return weight_files.load(network, NetworkCheck(spec).shapes.dataset.input_shape)


def _check(spec: StudySpec, network: ModelSpec, state: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Return the weights if they are the network's; note a head of another size."""
    from trainables.models import weight_files

    shapes = NetworkCheck(spec).shapes
    head = weight_files.other_head(shapes.model, state, shapes.dataset.classes, str(network.weights))
    if head:
        logger.warning(
            "%s: the head (%s) has another size in %s and begins untrained", KEY, ", ".join(head), network.weights
        )
    return state


def _write(folder: StudyFolder, path: Path, state: "dict[str, Tensor]") -> None:
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save({name: tensor.contiguous().clone() for name, tensor in state.items()}))
    folder.push(path)


def _trained(earlier: EarlierTrial, store: Store, name: str) -> "dict[str, Tensor]":
    """Return the weights of an earlier trial's network, with zeros where they are masked."""
    from trainables.checkpoint import dense_weights

    folder = store.existing(earlier.study, KEY, earlier_than=name)
    _require_whole(earlier, ledger.read(folder))
    files = trial_files(folder)
    kept = [ref for ref in ledger.kept_checkpoints(folder, earlier.number) if files.is_intact(ref)]
    if not kept:
        raise InvalidValue(KEY, "", f"{_named(earlier)} has no intact checkpoint any more; name another trial")
    return dense_weights(files.fetch(kept[0]))


def _require_whole(earlier: EarlierTrial, records: list[TrialRecord]) -> None:
    """Raise InvalidValue unless the trial exists, is COMPLETE, and has a network of the dense one's shape."""
    record = next((record for record in records if record.trial == earlier.number), None)
    complete = [str(one.trial) for one in records if one.state is State.COMPLETE and not _is_smaller(one)]
    others = f"those that can be started from are {', '.join(complete)}" if complete else "no trial there can be"
    if record is None:
        raise InvalidValue(KEY, "", f"study {earlier.study} has no trial {earlier.number}; {others}")
    if record.state is not State.COMPLETE:
        raise InvalidValue(KEY, "", f"{_named(earlier)} is {record.state.value}, and must be COMPLETE; {others}")
    if _is_smaller(record):
        allowed = f"the network of {_named(earlier)} has lost filters or layers, and cannot be started from; {others}"
        raise InvalidValue(KEY, "", allowed)


def _is_smaller(record: TrialRecord) -> bool:
    return record.metrics.get("params_physical", 0.0) < record.metrics.get("params_dense", 0.0)


def _named(earlier: EarlierTrial) -> str:
    return f"trial {earlier.number} of {earlier.study}"

"""Turns the weights that a study's networks start from into files that its workers can read, and checks them."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
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

    from trainables.models.weight_files import Remainder
    from trainables.state import LiveTrial

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
            files[network.name, network.weights] = _file(spec, network, store)
    return StartingWeights(files, {weights: sha256(path) for (_, weights), path in files.items()})


@contextmanager
def preview(spec: StudySpec, store: Store) -> Iterator[StartingWeights]:
    """Give the weights that a study's networks take from earlier trials, in files that last as long as the block.

    Nothing is written into the store, and no published weights are downloaded. Raises InvalidValue as `gather` does.
    """
    with TemporaryDirectory(prefix="espalier-") as scratch:
        files: dict[tuple[str, str], Path] = {}
        for network in spec.networks:
            if network.weights is not None and earlier_trial(network.weights) is not None:
                files[network.name, network.weights] = _file(spec, network, store, Path(scratch))
        yield StartingWeights(files, {})


def _file(spec: StudySpec, network: ModelSpec, store: Store, scratch: Path | None = None) -> Path:
    """Return the file with a network's weights; one that is made lies in `scratch`, or in the study's folder."""
    from trainables.models import weight_files  # imports torch

    weights, folder = str(network.weights), store.study(spec.name)
    try:
        if is_file(weights):
            _check(spec, network, weight_files.read(Path(weights)), weight_files.remainder(Path(weights)))
            return Path(weights)
        path = _path(folder, network)
        patiently(partial(folder.pull, path))
        if path.exists():
            _check(spec, network, weight_files.read(path), weight_files.remainder(path))
            return path
        state, left = _state(spec, network, store)
        _check(spec, network, state, left)
        return _write(scratch / path.name if scratch else path, folder, state, left)
    except InvalidValue as refused:
        key, value = (KEY, weights) if refused.key in ("weights", KEY) else (refused.key, refused.value)
        raise InvalidValue(key, value, refused.allowed) from refused


def _path(folder: StudyFolder, network: ModelSpec) -> Path:
    digest = hashlib.sha256(f"{network.name} {network.weights}".encode()).hexdigest()
    return folder.path / f"weights-{digest[:12]}.safetensors"


def _state(spec: StudySpec, network: ModelSpec, store: Store) -> "tuple[dict[str, Tensor], Remainder | None]":
    """Return a network's weights, and what removal has left of it; None for published weights, of any head."""
    from trainables.models import weight_files

    earlier = earlier_trial(str(network.weights))
    if earlier is not None:
        return _trained(earlier, store, spec.name)
    return weight_files.load(network, _shapes(spec, network).dataset.input_shape), None


def _shapes(spec: StudySpec, network: ModelSpec) -> "LiveTrial":
    """Return a trial with a dense network of the study, without numbers."""
    return NetworkCheck(spec.model_copy(update={"model": replace(network, weights=None)})).shapes


def _check(spec: StudySpec, network: ModelSpec, state: "dict[str, Tensor]", left: "Remainder | None") -> None:
    """Note a head of another size; raises InvalidValue for weights that are not the network's, dense or smaller."""
    from trainables.models import weight_files
    from trainables.structure.start import outlined

    shapes, source = _shapes(spec, network), str(network.weights)
    classes = shapes.dataset.classes
    if left is not None:
        outlined(state, left, source).shape(shapes.model, classes)
    head = weight_files.other_head(shapes.model, state, classes, source)
    if head:
        logger.warning("%s: the head (%s) has another size in %s and begins untrained", KEY, ", ".join(head), source)


def _write(path: Path, folder: StudyFolder, state: "dict[str, Tensor]", left: "Remainder | None") -> Path:
    """Write weights, with what removal has left, and keep them in the store if they lie in the study's folder."""
    from safetensors.torch import save

    from trainables.models.weight_files import ARCHITECTURE

    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous().clone() for name, tensor in state.items()}
    write_whole(path, save(tensors, metadata={ARCHITECTURE: json.dumps(left.as_json())} if left else None))
    if path.parent == folder.path:
        folder.push(path)
    return path


def _trained(earlier: EarlierTrial, store: Store, name: str) -> "tuple[dict[str, Tensor], Remainder | None]":
    """Return the weights of an earlier trial's network, with zeros where masked, and what removal has left of it."""
    from trainables.checkpoint import weights_of

    folder = store.existing(earlier.study, KEY, earlier_than=name)
    _require_complete(earlier, ledger.read(folder))
    files = trial_files(folder)
    kept = [ref for ref in ledger.kept_checkpoints(folder, earlier.number) if files.is_intact(ref)]
    if not kept:
        raise InvalidValue(KEY, "", f"{_named(earlier)} has no intact checkpoint any more; name another trial")
    return weights_of(files.fetch(kept[0]))


def _require_complete(earlier: EarlierTrial, records: list[TrialRecord]) -> None:
    """Raise InvalidValue unless the trial exists and is COMPLETE."""
    record = next((record for record in records if record.trial == earlier.number), None)
    complete = [str(one.trial) for one in records if one.state is State.COMPLETE]
    others = f"those that can be started from are {', '.join(complete)}" if complete else "no trial there can be"
    if record is None:
        raise InvalidValue(KEY, "", f"study {earlier.study} has no trial {earlier.number}; {others}")
    if record.state is not State.COMPLETE:
        raise InvalidValue(KEY, "", f"{_named(earlier)} is {record.state.value}, and must be COMPLETE; {others}")


def _named(earlier: EarlierTrial) -> str:
    return f"trial {earlier.number} of {earlier.study}"

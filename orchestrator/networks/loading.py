"""The network of a finished trial, from its checkpoint in the store. Reads no data, and imports torch only to load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State, TrialRecord, find_trial
from orchestrator.networks.inputs import Inputs, inputs_of
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import TrialFiles, trial_files
from trainables import models
from trainables.errors import InvalidValue
from trainables.spec import ModelSpec, TrialSpec

if TYPE_CHECKING:
    from torch import nn

    from trainables.checkpoint import Signature

TRIAL = "TRIAL"

_DESCRIBED: Final = ("name", "options", "classes", "input_shape", "dropped_blocks", "gates")
"""What a packed file has to say of the network in it."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A finished trial with its network on the CPU, in evaluation mode, and what the network takes and gives.

    `dense` is the network before all pruning, untrained: only its cost is of use. `dropped_blocks` are the residual
    blocks that `model` has lost of it.
    """

    record: TrialRecord
    spec: TrialSpec
    model: "nn.Module"
    dense: "nn.Module"
    signature: "Signature"
    dropped_blocks: tuple[str, ...] = ()

    @property
    def inputs(self) -> Inputs:
        """What the network takes, in the words of its data."""
        return inputs_of(self.spec, self.signature)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of what the network gives for one sample."""
        from trainables.models.reference import outputs_of

        return tuple(outputs_of(self.model, self.signature.input_shape).shape[1:])


def load(store: Store | Path | str, study: str, trial: int) -> "nn.Module":
    """Return a COMPLETE trial's network in evaluation mode, on the CPU: removal and masks are applied.

    Neither the data set nor its files are needed. Raises InvalidValue for a study or trial that does not exist, for a
    trial that is not COMPLETE, and if its checkpoint is not in the store any more.
    """
    return load_trained(Store.at(store).existing(study, "NAME"), trial).model


def load_file(path: Path | str, model: ModelSpec | None = None) -> "nn.Module":
    """Return the network in a file of `espalier export --format packed`, in evaluation mode, on the CPU.

    It is the trial's network, equal in every weight. `model` names the network instead of the file, which may only name
    espalier's own and torchvision's: the code of others would run with options of the file's choice. Raises
    InvalidValue for a file that names another, for one of another kind, or damaged, and for weights that are not the
    network's.
    """
    from trainables import checkpoint  # imports torch
    from trainables.export.packed_weights import weights_in

    weights, about = weights_in(Path(path))
    if missing := [key for key in _DESCRIBED if key not in about]:
        allowed = f"does not say {', '.join(missing)} of its network; write it by `espalier export --format packed`"
        raise InvalidValue("FILE", str(path), allowed)
    network = model or _named_model(path, about)
    signature = checkpoint.Signature(classes=about["classes"], input_shape=tuple(about["input_shape"]))
    try:
        return checkpoint.rebuilt(network, signature, weights, tuple(about["dropped_blocks"]), about["gates"])
    except InvalidValue:
        raise
    except ValueError as other:
        raise InvalidValue("FILE", str(path), f"holds no weights of {network.label}: {other}") from other


def _named_model(path: Path | str, about: Mapping[str, Any]) -> ModelSpec:
    """Return the network that a file names, if nothing has to be trusted for it."""
    name, options = about["name"], about["options"]
    if models.reference_of(name) is not None:
        typed = f"name={name!r}, options={options!r}" if options else f"name={name!r}"
        allowed = f"is of {name}, whose code would run: pass model=ModelSpec({typed}) if you trust it"
        raise InvalidValue("FILE", str(path), allowed)
    return ModelSpec(name=name, options=options)


def load_trained(folder: StudyFolder, number: int) -> TrainedNetwork:
    """Return a COMPLETE trial with its network; raises InvalidValue as `load` does."""
    record = complete_trial(ledger.read(folder), number)
    files = trial_files(folder)
    return network_in(folder, record, files, intact_checkpoint(folder, files, number))


def network_in(folder: StudyFolder, record: TrialRecord, files: TrialFiles, kept: CheckpointRef) -> TrainedNetwork:
    """Return a COMPLETE trial with the network in a checkpoint that is intact."""
    from trainables import checkpoint  # imports torch

    study = StudySpec.stored(folder.spec)
    spec = study.trial(record.paradigm, record.params, record.seed)
    path = files.fetch(kept)
    signature = checkpoint.signature(path) or _signature(study)
    model = checkpoint.load_network(path, spec.model, signature)
    dense = checkpoint.dense_network(spec.model, signature)
    return TrainedNetwork(record, spec, model, dense, signature, checkpoint.dropped_blocks(path))


def complete_trial(records: Sequence[TrialRecord], number: int) -> TrialRecord:
    """Return a trial by its number; raises InvalidValue unless it exists and is COMPLETE."""
    record = find_trial(records, number)
    if record.state is not State.COMPLETE:
        complete = [str(record.trial) for record in records if record.state is State.COMPLETE]
        others = f"those that are: {', '.join(complete[:20])}{', ...' if len(complete) > 20 else ''}"
        allowed = f"is {record.state.value}, and must be COMPLETE; {others if complete else 'none is so far'}"
        raise InvalidValue(TRIAL, number, allowed)
    return record


def intact_checkpoint(folder: StudyFolder, files: TrialFiles, number: int) -> CheckpointRef:
    """Return a trial's newest intact checkpoint; raises InvalidValue if there is none any more."""
    kept = ledger.kept_checkpoints(folder, number)
    intact = next((checkpoint for checkpoint in kept if files.is_intact(checkpoint)), None)
    if intact is None:
        where = f"{folder.shown(folder.checkpoint(kept[0]))} is missing or damaged" if kept else "it left none"
        raise InvalidValue(TRIAL, number, f"has no intact checkpoint in the store: {where}; name another trial")
    return intact


def _signature(study: StudySpec) -> "Signature":
    """Return what networks of a study take and give: checkpoints of earlier versions do not say so."""
    from orchestrator.search.network_check import NetworkCheck
    from trainables.checkpoint import Signature

    data = NetworkCheck(study).shapes.dataset
    return Signature(classes=data.classes, input_shape=data.input_shape)

"""Which layers of a finished trial's network are worth their MACs."""

from pathlib import Path

from orchestrator.evaluation.devices import device_or_default
from orchestrator.networks.loading import TRIAL, load_trained
from orchestrator.results.diagnosis import Diagnosis
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder
from trainables import data, tasks
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.evaluation.bench import evenly_spaced
from trainables.methods.diagnosis import diagnose


def diagnosed(
    folder: StudyFolder, cache: Path, number: int, *, probes: int, images: int | None, seed: int, device: str | None
) -> Diagnosis:
    """Probe the network of a COMPLETE trial on validation images of its study, at most `images` of them.

    Raises InvalidValue for a trial without a network in the store, for a network that cannot be probed, and for a
    device that this process does not have.
    """
    where = device_or_default(device)
    spec, trained = StudySpec.stored(folder.spec), load_trained(folder, number)
    task = tasks.find(spec.task)
    dataset = data.load(spec.data, cache).of_task(task).placed(where, spec.data.memory)
    probed, _ = evenly_spaced(dataset.validation, images)
    try:
        groups = diagnose(
            trained.model.to(where), trained.spec.model.name, dataset, probed, task, probes=probes, seed=seed
        )
    except InfeasibleTrial as infeasible:
        raise InvalidValue(TRIAL, number, f"cannot be diagnosed: {infeasible}") from infeasible
    return Diagnosis(trained.record, len(probed), groups)

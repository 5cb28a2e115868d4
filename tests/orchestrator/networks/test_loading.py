"""The network of a finished trial: what was trained, without the data."""

import shutil
from pathlib import Path

import pytest
import torch

from orchestrator.ledger import ledger
from orchestrator.networks.formats import Format
from orchestrator.networks.loading import load, load_file, load_trained
from orchestrator.networks.trial_export import architecture, write
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.checkpoints import seal
from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator.trained import DENSE, FILTERS, WEIGHTS
from trainables import data
from trainables.checkpoint import CHECKPOINT
from trainables.errors import InvalidValue
from trainables.export import export
from trainables.masking.masks import prunable_weights
from trainables.spec import ModelSpec
from trainables.training.training import evaluate

every_trial = pytest.mark.parametrize("number", [DENSE, FILTERS, WEIGHTS])


@every_trial
def test_the_network_is_as_good_and_as_large_as_the_trial_measured(study: StudyFolder, number: int) -> None:
    network = load_trained(study, number)
    digits = data.load(StudySpec.stored(study.spec).data)
    measured = evaluate(network.model, digits.test, network.signature.mean, network.signature.std)
    metrics = network.record.metrics
    assert measured.accuracy == pytest.approx(metrics["test_accuracy"])
    assert sum(parameter.numel() for parameter in network.model.parameters()) == metrics["params_physical"]
    alive = sum(int(weight.count_nonzero()) for weight in prunable_weights(network.model).values())
    assert alive <= metrics["params_effective"] <= metrics["params_physical"]
    assert not network.model.training


def test_loading_reads_no_data_and_leaves_the_random_state(study: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "load", None)
    before = torch.get_rng_state()
    model = load(study.store, study.path.name, FILTERS)
    assert torch.equal(torch.get_rng_state(), before)
    assert model(torch.rand(3, 1, 8, 8)).shape == (3, 10)


def test_a_checkpoint_of_an_earlier_version_is_loaded_and_a_damaged_one_is_not(
    study: StudyFolder, tmp_path: Path
) -> None:
    shutil.copytree(study.store, tmp_path / "store")
    folder = Store(tmp_path / "store").study(study.path.name)
    path = folder.checkpoint(ledger.kept_checkpoints(folder, FILTERS)[0])
    state = torch.load(path / CHECKPOINT, weights_only=True)
    del state["signature"]
    torch.save(state, path / CHECKPOINT)
    with pytest.raises(InvalidValue, match=r"TRIAL = 1: has no intact checkpoint.*is missing or damaged"):
        load_trained(folder, FILTERS)
    seal(path)
    network = load_trained(folder, FILTERS)
    assert (network.signature.input_shape, network.signature.classes) == ((1, 8, 8), 10)
    assert network.signature.mean == ()


def test_what_cannot_be_loaded_is_refused_with_the_reason(study: StudyFolder, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"TRIAL = 7: is not a trial of this study: there are 0 to 2"):
        load(study.store, study.path.name, 7)
    with pytest.raises(InvalidValue, match=r"did you mean 'small'"):
        load(study.store, "smal", 0)
    shutil.copytree(study.store, tmp_path / "store")
    shutil.rmtree(tmp_path / "store" / "studies" / study.path.name / "trials")
    with pytest.raises(InvalidValue, match=r"has no intact checkpoint in the store.*name another trial"):
        load(tmp_path / "store", study.path.name, DENSE)


@every_trial
def test_a_packed_file_gives_back_the_same_network_to_the_bit(study: StudyFolder, number: int, tmp_path: Path) -> None:
    network = load_trained(study, number)
    write(network, Format.PACKED, tmp_path / "net.packed")
    again = load_file(tmp_path / "net.packed")
    state = network.model.state_dict()
    assert again.state_dict().keys() == state.keys()
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in state.items())
    images = torch.rand(3, 1, 8, 8)
    assert torch.equal(again(images), network.model(images))


def test_a_file_that_names_foreign_code_is_refused_unless_the_network_is_given(
    study: StudyFolder, tmp_path: Path
) -> None:
    network, path = load_trained(study, FILTERS), tmp_path / "net.packed"
    about = {**architecture(network), "name": "somewhere.else:build"}
    export(network.model, network.signature.input_shape, path, Format.PACKED, about)
    with pytest.raises(InvalidValue, match=r"is of somewhere\.else:build, whose code would run: pass model=ModelSpec"):
        load_file(path)
    assert torch.equal(
        load_file(path, network.spec.model)(torch.ones(1, 1, 8, 8)), network.model(torch.ones(1, 1, 8, 8))
    )


def test_a_file_may_not_name_a_library_that_takes_options_from_it(study: StudyFolder, tmp_path: Path) -> None:
    network, path = load_trained(study, FILTERS), tmp_path / "net.packed"
    about = {**architecture(network), "name": "timm/resnet18", "options": {"drop_rate": 0.1}}
    export(network.model, network.signature.input_shape, path, Format.PACKED, about)
    with pytest.raises(InvalidValue, match=r"is of timm/resnet18, whose code would run: pass model=ModelSpec"):
        load_file(path)


def test_a_file_of_another_network_or_of_none_is_refused(study: StudyFolder, tmp_path: Path) -> None:
    network, path = load_trained(study, FILTERS), tmp_path / "net.packed"
    shape = network.signature.input_shape
    write(network, Format.PACKED, path)
    with pytest.raises(InvalidValue, match=r"net\.packed': holds no weights of mlp: not a state of this"):
        load_file(path, ModelSpec(name="mlp"))
    foreign = {**architecture(network), "name": "somewhere.else:build", "options": {"width": 2}}
    export(network.model, shape, path, Format.PACKED, foreign)
    with pytest.raises(InvalidValue, match=r"ModelSpec\(name='somewhere\.else:build', options=\{'width': 2\}\)"):
        load_file(path)
    export(network.model, shape, path, Format.PACKED)
    with pytest.raises(InvalidValue, match="does not say name, options, classes, input_shape, dropped_blocks, gates"):
        load_file(path)

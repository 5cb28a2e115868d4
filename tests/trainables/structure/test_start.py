"""Networks that begin in the shape that an earlier removal has left, as their file of weights says."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.trainables.smaller import halved, written
from trainables import models
from trainables.errors import InvalidValue
from trainables.models.weight_files import adopt, other_head, read, remainder
from trainables.spec import ModelSpec
from trainables.structure.start import start_of


def build(classes: int = 10, name: str = "digits_cnn") -> torch.nn.Module:
    return models.build(name, classes=classes, input_shape=(1, 8, 8))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    return written(halved(folder, "digits_cnn"), folder)


def test_a_dense_network_takes_the_shape_and_its_fresh_numbers_stay(file: Path) -> None:
    start, model = start_of(ModelSpec(name="digits_cnn", weights=str(file))), build()
    first = next(model.parameters()).clone()
    assert start is not None
    assert start.shape(model, 10)
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == {
        name: tensor.shape for name, tensor in load_file(file).items()
    }
    left = next(model.parameters())
    assert torch.equal(left, first[: len(left)])
    assert adopt(model, read(file), 10, str(file)) == ()


def test_a_head_of_other_classes_is_as_wide_as_what_it_reads(file: Path) -> None:
    start, model = start_of(ModelSpec(name="digits_cnn", weights=str(file))), build(classes=3)
    assert start is not None
    assert start.shape(model, 3)
    head = other_head(model, read(file), 3, str(file))
    assert head
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def test_a_file_that_says_nothing_of_removal_leaves_the_network_dense(file: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.safetensors"
    save_file(load_file(file), bare)
    assert start_of(ModelSpec(name="digits_cnn", weights=str(bare))) is None
    with pytest.raises(InvalidValue, match=r"has other shapes than this network: .*; a network made smaller is taken"):
        other_head(build(), read(bare), 10, str(bare))


def test_the_smaller_form_of_another_network_is_refused(file: Path) -> None:
    start = start_of(ModelSpec(name="mlp", weights=str(file)))
    assert start is not None
    with pytest.raises(
        InvalidValue, match=r"^weights = .* does not belong to this network: it lacks .*, and has besides "
    ):
        start.shape(build(name="mlp"), 10)


def test_a_pickle_with_an_architecture_says_the_same(file: Path, tmp_path: Path) -> None:
    """As `espalier export` writes it; files of earlier versions do not say which blocks were dropped."""
    path, said = tmp_path / "exported.pt", {"classes": 10, "dropped_blocks": ["layer1.0"], "name": "digits_cnn"}
    torch.save({"state_dict": load_file(file), "architecture": said}, path)
    left = remainder(path)
    assert left is not None
    assert (left.dropped_blocks, left.classes) == (("layer1.0",), 10)
    torch.save({"state_dict": load_file(file), "architecture": {"classes": 10}}, path)
    assert remainder(path) == replace(left, dropped_blocks=None)


def test_blocks_that_an_old_file_does_not_name_are_to_be_exported_again(tmp_path: Path) -> None:
    path = written(halved(tmp_path, "resnet20", dropped=1), tmp_path)
    start = start_of(ModelSpec(name="resnet20", weights=str(path)))
    assert start is not None
    old = replace(start, left=replace(start.left, dropped_blocks=None))
    with pytest.raises(InvalidValue, match=r"it lacks layer1\.0.*; if it lost residual blocks, export it again$"):
        old.shape(build(name="resnet20"), 10)

"""Exported networks: what a file computes, what it leaves alone, and what cannot be written."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trainables import models
from trainables.errors import InvalidValue
from trainables.export import FORMATS, export
from trainables.export.exporting import disagreement, evaluated, module_of
from trainables.export.failure import ExportFailed
from trainables.masking.masks import Masks, prunable_weights
from trainables.structure.channels import find_groups
from trainables.structure.removal import plan_removal, remove

SHAPE = (1, 8, 8)

every_format = pytest.mark.parametrize("name", FORMATS)
programs = pytest.mark.parametrize("name", ["pt2", "onnx"])


def channels_last(model: nn.Module) -> nn.Module:
    """Return a network whose weights lie in memory with their channels last."""
    laid: nn.Module = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's types
    return laid


def trained() -> nn.Module:
    """Return a network in training mode whose batch norms have seen images, with filters of an odd number removed."""
    torch.manual_seed(0)
    model = models.build("digits_cnn", classes=10, input_shape=SHAPE).train()
    for _ in range(3):
        model(torch.rand(8, *SHAPE))
    groups = find_groups(model, SHAPE)
    remove(model, plan_removal(groups, {group.name: torch.arange(group.size) % 3 > 0 for group in groups}))
    return model


@every_format
def test_a_file_computes_what_the_network_does_and_the_network_stays_as_it_is(name: str, tmp_path: Path) -> None:
    model = channels_last(trained())
    before = copy.deepcopy(model.state_dict())
    written = export(model, SHAPE, tmp_path / "network", name)
    assert written.difference < 1e-5
    assert written.bytes == written.path.stat().st_size > 0
    assert model.training
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@every_format
def test_masked_weights_stay_zero(name: str, tmp_path: Path) -> None:
    model = trained().eval()
    weights = prunable_weights(model)
    Masks(model, {key: (torch.rand_like(weight) < 0.2).float() for key, weight in weights.items()})
    assert export(model, SHAPE, tmp_path / "network", name).difference < 1e-5


class Noisy(nn.Module):
    """A network that drops inputs while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.drop(x.flatten(1)))
        return logits


@programs
def test_what_acts_in_training_only_is_not_in_the_file(name: str, tmp_path: Path) -> None:
    assert export(Noisy().train(), SHAPE, tmp_path / "network", name).difference < 1e-5


class ForBatchesOfTwo(nn.Module):
    """A network that works on batches of two only."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 64)


@programs
def test_a_network_for_batches_of_one_size_is_refused_and_leaves_no_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match=f"cannot be written as {name}|differs"):
        export(ForBatchesOfTwo(), SHAPE, tmp_path / "network", name)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"format = 'onyx'.*did you mean 'onnx'"):
        export(Noisy(), SHAPE, tmp_path / "network", "onyx")


def test_the_copy_that_is_written_is_plain_and_the_network_is_left_alone() -> None:
    model = channels_last(trained().double())
    copied = evaluated(model)
    assert not any(module.training for module in copied.modules())
    for tensor in (*copied.parameters(), *copied.buffers()):
        assert tensor.is_contiguous()
        assert not tensor.requires_grad
        assert tensor.dtype in (torch.float32, torch.int64)
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("factor", [1.0, 1.5, 0.0])
def test_a_deviation_is_a_share_of_the_largest_output(factor: float) -> None:
    model = evaluated(Noisy())
    assert disagreement(model, lambda batch: factor * model(batch), SHAPE) == pytest.approx(abs(factor - 1), abs=1e-6)


def test_a_file_is_held_against_batches_of_several_sizes() -> None:
    sizes: list[int] = []

    def other(batch: Tensor) -> Tensor:
        sizes.append(len(batch))
        return batch.flatten(1)

    assert disagreement(nn.Flatten(), other, SHAPE) == 0.0
    assert len(set(sizes)) == len(sizes) == 3
    assert 1 in sizes


def test_folders_on_the_way_to_a_file_are_made(tmp_path: Path) -> None:
    written = export(Noisy(), SHAPE, tmp_path / "new" / "folder" / "net.pt", "torch")
    assert written.path.is_file()
    assert written.format == "torch"


@every_format
def test_every_format_says_how_it_is_read(name: str) -> None:
    module = module_of(name)
    assert module.SUFFIX.startswith(".")
    assert '"FILE"' in module.LOAD
    assert len(module.LOAD.splitlines()) == 3
    given, _, computed = module.LOAD.splitlines()[-1].partition(" = ")
    assert "logits" in given
    assert "network" in computed
    assert module.ENGINE

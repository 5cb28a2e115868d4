"""Modes are restored, attention is made of plain operations."""

import pytest
import torch
from torch import nn

from trainables.modes import composite_attention, judged_by_batch, modes_kept, statistics_kept


def a_network() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(0.5)))
    model.train()
    model[1].eval()
    return model


def modes(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def fail(_: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize("inside", [True, False])
def test_every_module_gets_its_own_mode_back(inside: bool) -> None:
    model = a_network()
    before = modes(model)
    with modes_kept(model):
        model.train(inside)
        assert modes(model) == [inside] * len(before)
    assert modes(model) == before


def test_modes_come_back_after_an_error_which_passes() -> None:
    model = a_network()
    before = modes(model)
    with pytest.raises(ZeroDivisionError), modes_kept(model):
        fail(model.eval())
    assert modes(model) == before


def test_a_module_that_joins_meanwhile_keeps_its_mode() -> None:
    model = a_network()
    with modes_kept(model):
        model.append(nn.Identity().eval())  # type: ignore[operator]  # a Sequential
    assert not model[-1].training  # type: ignore[index]  # a Sequential


def test_attention_can_be_derived_twice_and_gives_the_same() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).double().eval()
    x = torch.rand(2, 3, 8, dtype=torch.float64, requires_grad=True)
    with composite_attention():
        y = layer(x)
        (slope,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), x)
    assert torch.allclose(y, layer(x), atol=1e-12)
    assert bool(curvature.any())


@pytest.mark.parametrize("enabled", [True, False])
def test_the_fast_path_is_as_it_was_also_after_an_error(enabled: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        with pytest.raises(ZeroDivisionError), composite_attention():
            fail(torch.backends.mha.get_fastpath_enabled())
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_a_network_judged_by_its_batch_drops_nothing_and_moves_no_statistic() -> None:
    norm = nn.BatchNorm1d(2)
    model = nn.Sequential(norm, nn.Dropout(0.9)).eval()
    images = torch.tensor([[0.0, 5.0], [2.0, 9.0]])
    with judged_by_batch(model):
        assert torch.allclose(model(images), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), atol=1e-4)
    assert norm.get_buffer("running_mean").tolist() == [0, 0]
    assert modes(model) == [False] * 3


def test_statistics_move_again_after_they_were_kept() -> None:
    model = nn.BatchNorm1d(1).train()
    with statistics_kept(model):
        model(torch.tensor([[1.0], [3.0]]))
        assert float(model.get_buffer("running_mean")) == 0
    model(torch.tensor([[1.0], [3.0]]))
    assert float(model.get_buffer("running_mean")) > 0

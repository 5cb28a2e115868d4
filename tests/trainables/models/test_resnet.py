"""Residual networks for small images (He et al. 2015, arXiv 1512.03385, section 4.2)."""

import pytest
import torch
from torch import nn

from trainables.models.resnet import BasicBlock, build
from trainables.models.shortcut import Shortcut


@pytest.mark.parametrize(("depth", "blocks"), [(20, 3), (32, 5), (56, 9)])
def test_a_network_has_6_n_plus_2_layers_with_weights(depth: int, blocks: int) -> None:
    model = build(10, (3, 32, 32), depth, width=0.1)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == depth
    assert [len(model.get_submodule(f"layer{stage}")) for stage in (1, 2, 3)] == [blocks] * 3  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [1.0, 0.5, 2.0])
def test_stages_double_the_channels_and_halve_the_image(width: float) -> None:
    model = build(10, (1, 16, 16), 20, width=width)
    x = torch.zeros(2, round(16 * width), 16, 16)
    for stage, (channels, side) in enumerate(((16, 16), (32, 8), (64, 4)), start=1):
        x = model.get_submodule(f"layer{stage}")(x)
        assert x.shape == (2, round(channels * width), side, side)


def test_shortcuts_have_no_parameters_and_change_shapes_only_where_a_stage_begins() -> None:
    model = build(10, (3, 32, 32), 20)
    shortcuts = {name: block.shortcut for name, block in model.named_modules() if isinstance(block, BasicBlock)}
    assert not [p for shortcut in shortcuts.values() for p in shortcut.parameters()]
    assert [name for name, shortcut in shortcuts.items() if isinstance(shortcut, Shortcut)] == ["layer2.0", "layer3.0"]


def test_a_block_whose_branch_is_silent_is_its_shortcut() -> None:
    block = BasicBlock(4, 4, 1).eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(block(x), x)


def test_the_gradient_reaches_every_weight() -> None:
    model = build(10, (1, 8, 8), 20, width=0.25)
    model(torch.rand(4, 1, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for name, p in model.named_parameters() if name != "fc.bias")


def test_weights_have_the_variance_of_he() -> None:
    """Var(w) = 2 / fan_in (He et al. 2015, arXiv 1502.01852, eq. 10)."""
    torch.manual_seed(0)
    weight = build(10, (3, 32, 32), 20).get_parameter("layer3.1.conv1.weight")
    assert float(weight.detach().var()) == pytest.approx(2 / weight[0].numel(), rel=0.1)

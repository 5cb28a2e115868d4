import copy

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, build, images
from trainables.errors import InfeasibleTrial
from trainables.structure.blocks import branch_parameters, drop_blocks, residual_blocks


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("mlp", 0),
        ("vgg16_bn", 0),
        ("resnet20", 9),
        ("resnet56", 27),
        ("mobilenet_v2", 10),
        ("torchvision/resnet18", 8),
        ("torchvision/resnet50", 16),
        ("torchvision/mobilenet_v3_small", 6),
    ],
)
def test_residual_blocks_are_found(name: str, count: int) -> None:
    assert len(residual_blocks(build(name))) == count


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "torchvision/resnet18", "torchvision/mobilenet_v3_small"])
@pytest.mark.parametrize("which", [slice(None, None, 2), slice(1, None, 2), slice(None)])
def test_dropping_blocks_equals_silencing_their_branches(name: str, which: slice) -> None:
    model = build(name).eval()
    blocks = residual_blocks(model)[which]
    silenced, dropped = copy.deepcopy(model), copy.deepcopy(model)
    gone = branch_parameters(model, blocks)
    with torch.no_grad():
        for parameter in gone:
            silenced.get_parameter(parameter).zero_()
    drop_blocks(dropped, blocks)
    x = images(SHAPES[name])
    assert torch.equal(silenced(x), dropped(x))
    assert not torch.equal(model(x), dropped(x))
    assert {n for n, _ in dropped.named_parameters()} == {n for n, _ in model.named_parameters()} - set(gone)


def test_only_the_shortcut_of_a_block_that_changes_the_shape_is_kept() -> None:
    model = build("torchvision/resnet18")
    drop_blocks(model, ["layer1.1", "layer2.0"])
    assert isinstance(model.get_submodule("layer1.1"), nn.Identity)
    assert [name for name, _ in model.get_submodule("layer2.0").named_children()] == ["downsample", "relu"]


def test_a_name_that_is_no_block_is_refused_with_the_nearest_one() -> None:
    model = build("resnet20")
    with pytest.raises(ValueError, match=r"'layer1\.3' is not a residual block of ResNet; did you mean 'layer1"):
        drop_blocks(model, ["layer1.3"])


def test_dropping_nothing_changes_nothing() -> None:
    model = build("resnet20")
    before = repr(model)
    drop_blocks(model, [])
    assert repr(model) == before


class Block(nn.Module):
    """A residual block of which the sum, or what surrounds it, can be spoilt."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.conv, self.other = kind, nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "normalised first":
            x = x.sigmoid()
        branch: Tensor = self.conv(x)
        if self.kind == "both sides are branches":
            other: Tensor = self.other(x)
            return branch + other
        if self.kind == "scaled shortcut":
            return branch + 2 * x
        y = branch + x
        return y.sigmoid() if self.kind == "sigmoid after" else y


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("plain", ("1",)),
        ("normalised first", ()),
        ("both sides are branches", ()),
        ("scaled shortcut", ()),
        ("sigmoid after", ()),
    ],
)
def test_a_block_that_does_more_than_add_a_branch_is_no_residual_block(kind: str, found: tuple[str, ...]) -> None:
    assert residual_blocks(nn.Sequential(nn.ReLU(), Block(kind))) == found


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_a_network_whose_course_depends_on_the_data_is_refused_by_name() -> None:
    with pytest.raises(InfeasibleTrial, match="Branching"):
        residual_blocks(Branching())

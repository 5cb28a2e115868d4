"""Slices of a supernet are the networks of their widths."""

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.networks import RESIZABLE, SHAPES, build, images
from trainables.modes import statistics_kept
from trainables.structure.channels import find_groups
from trainables.structure.supernet import Supernet
from trainables.structure.widths import widths_of


def narrower(widths: dict[str, int]) -> dict[str, int]:
    """Return widths between a third of the widest and the widest itself."""
    return {name: max(2, width * (3 + index % 5) // 7) for index, (name, width) in enumerate(widths.items())}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", RESIZABLE)
def test_a_slice_computes_to_the_bit_what_the_network_of_its_widths_does(name: str, training: bool) -> None:
    model, shape = build(name).double().train(training), SHAPES[name]
    groups = find_groups(model.float(), shape)
    supernet, widths = Supernet(model.double(), groups), narrower(widths_of(groups))
    alone = supernet.network(widths)
    assert widths_of(find_groups(alone.float(), shape)) == widths
    x = images(shape).double()
    torch.manual_seed(0)  # of dropout
    with statistics_kept(model):
        sliced = supernet.outputs(widths, x)
    torch.manual_seed(0)
    assert torch.equal(sliced, alone.double()(x))


def test_gradients_of_a_slice_are_those_of_the_network_by_itself_and_reach_nothing_else() -> None:
    model, shape = build("resnet20").double(), SHAPES["resnet20"]
    groups = find_groups(build("resnet20"), shape)
    supernet, widths = Supernet(model, groups), narrower(widths_of(groups))
    alone, x, labels = supernet.network(widths), images(shape).double(), torch.arange(4)
    with statistics_kept(model):
        F.cross_entropy(supernet.outputs(widths, x), labels).backward()
    F.cross_entropy(alone(x), labels).backward()
    expected = dict(alone.named_parameters())
    for name, parameter in model.named_parameters():
        own, other = parameter.grad, expected[name].grad
        assert own is not None
        assert other is not None
        assert torch.allclose(own[tuple(map(slice, other.shape))], other, rtol=1e-12, atol=1e-15)
        assert own.count_nonzero() == other.count_nonzero()


def test_a_slice_that_trains_leaves_the_widest_network_s_statistics_alone() -> None:
    model, shape = build("mobilenet_v2"), SHAPES["mobilenet_v2"]
    groups = find_groups(model, shape)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with statistics_kept(model):
        Supernet(model, groups).outputs(narrower(widths_of(groups)), images(shape))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model(images(shape)).shape == (4, 10)

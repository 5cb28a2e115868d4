"""Groups of convolutions in groups go as a whole, with what writes and reads them."""

import copy

import pytest
import torch
from torch import Tensor, nn

from trainables.structure.bundles import find_bundles, grouped_convolutions, with_bundles
from trainables.structure.channels import find_groups
from trainables.structure.removable import removable_bundles
from trainables.structure.removal import disagreement, mask, plan_removal, rebuild, remove

SHAPE = (3, 6, 6)


class Divided(nn.Module):
    """A stem, a convolution in four groups that widens, and a classifier; `shuffled` mixes channels between them."""

    def __init__(self, *, shuffled: bool = False) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.grouped, self.end = nn.Conv2d(8, 16, 3, padding=1, groups=4), nn.Conv2d(16, 5, 1)
        self.fc, self.shuffled = nn.Linear(5, 10), shuffled

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(torch.relu(self.norm(self.stem(x))))
        if self.shuffled:
            x = x.unflatten(1, (4, 4)).transpose(1, 2).flatten(1, 2)
        result: Tensor = self.fc(torch.relu(self.end(x)).mean((2, 3)))
        return result


def test_a_bundle_is_a_group_of_the_convolution_with_what_writes_and_reads_it() -> None:
    (bundle,) = find_bundles(Divided(), SHAPE, frozenset({"grouped"}))
    assert (bundle.name, bundle.size, bundle.producers) == ("stem", 4, ("stem",))
    sides = {(member.module, member.side): member.roots for member in bundle.members}
    assert sides[("stem", "outputs")] == sides[("norm", "outputs")] == (0, 0, 1, 1, 2, 2, 3, 3)
    assert sides[("grouped", "outputs")] == sides[("end", "inputs")] == tuple(i // 4 for i in range(16))
    assert len(sides) == 4


@pytest.mark.parametrize("keep", [[True, False, True, True], [False, False, True, False]])
def test_removal_of_bundles_computes_what_masking_does_and_a_checkpoint_has_the_shapes(keep: list[bool]) -> None:
    network = Divided().double().eval()
    plan = plan_removal(find_bundles(network, SHAPE, frozenset({"grouped"})), {"stem": torch.tensor(keep)})
    masked, smaller = copy.deepcopy(network), copy.deepcopy(network)
    mask(masked, plan)
    remove(smaller, plan)
    inputs = torch.randn(2, *SHAPE, dtype=torch.float64)
    assert torch.allclose(masked(inputs), smaller(inputs), rtol=1e-12)
    assert (smaller.grouped.groups, smaller.grouped.in_channels) == (sum(keep), 2 * sum(keep))
    again = Divided().double().eval()
    rebuild(again, smaller.state_dict())
    assert torch.equal(again(inputs), smaller(inputs))
    assert disagreement(again, network, SHAPE, generator=torch.Generator().manual_seed(0)) > 1e-3


def test_of_a_convolution_with_one_group_left_no_single_channel_goes() -> None:
    network = Divided()
    names = grouped_convolutions(network)
    last = torch.tensor([False, True, False, False])
    remove(network, plan_removal(find_bundles(network, SHAPE, names), {"stem": last}))
    assert [group.name for group in find_groups(network, SHAPE)] == ["stem", "grouped", "end"]
    left = with_bundles(network, find_groups(network, SHAPE), SHAPE, names)
    assert [(group.name, group.size) for group in left] == [("end", 5), ("stem", 1)]


def test_a_network_that_mixes_the_channels_by_their_number_has_no_bundle() -> None:
    assert len(removable_bundles(Divided(), SHAPE)) == 1
    assert removable_bundles(Divided(shuffled=True), SHAPE) == ()


def test_depthwise_convolutions_are_not_in_groups() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 6, 1, groups=2))
    assert grouped_convolutions(network) == {"2"}

"""Gates stay on the same channels while a network becomes smaller, whatever becomes gateable meanwhile."""

from pathlib import Path

import torch
from torch import Tensor, nn

from tests.trainables.stages import a_trial
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.placement import Placement
from trainables.recipes.gating import INNER, Gating


class Block(nn.Module):
    """A bottleneck whose middle convolution has four groups."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Conv2d(6, 8, 1), nn.Conv2d(8, 8, 3, 1, 1, groups=4), nn.Conv2d(8, 6, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.last(self.middle(self.first(x).relu()).relu())
        return result


class Grouped(nn.Module):
    """A stem, two bottlenecks, a head."""

    def __init__(self, classes: int, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(input_shape[0], 6, 3), nn.Sequential(Block(), Block())
        self.head, self.fc = nn.Conv2d(6, 12, 1), nn.Linear(12, classes)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc(self.head(self.blocks(self.stem(x).relu())).relu().mean((2, 3)))
        return result


GROUPED = f"{__name__}:Grouped"


def test_without_its_last_block_a_network_has_no_gates_on_what_had_none(tmp_path: Path) -> None:
    network = GatedNetwork(Gating(epochs=1), a_trial(tmp_path, GROUPED, precision="float32"))
    units, branches = network.everything()
    network.delete((torch.zeros_like(units), torch.zeros_like(branches)))
    assert network.is_empty


def test_where_one_group_of_each_convolution_is_left_gates_are_on_whole_groups_still(tmp_path: Path) -> None:
    network = GatedNetwork(Gating(epochs=1, placement="hidden"), a_trial(tmp_path, GROUPED, precision="float32"))
    units, branches = network.everything()
    divided = [part for group, part in _parts(network) if group.endswith(".first")]
    assert len(divided) == len(branches) == 2
    for part in divided:
        units[part.start + 1 : part.stop] = False
    branches[0] = False
    kept = network.rounding.consistent(units.double(), (units, branches))
    sizes = [int(kept[0][part].sum()) for _, part in _parts(network)]
    assert network.delete(kept)
    assert [group.size for group in network.structures.groups] == [size for size in sizes if size]
    assert GatedNetwork(network.gating, network.trial).structures == network.structures


def _parts(network: GatedNetwork) -> list[tuple[str, slice]]:
    structures = network.structures
    return [(group.name, part) for group, part in zip(structures.groups, structures.slices(), strict=True)]


def test_inner_gates_are_found_without_the_dense_network(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    placement = Placement(trial, INNER)
    before = torch.random.get_rng_state()
    assert placement.structures(placement.groups()).units == 336
    assert placement.groups() is trial.groups
    assert torch.equal(torch.random.get_rng_state(), before)

"""What is removed of networks that were not written for it: the same network is left, or the group is left out."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.errors import InfeasibleTrial
from trainables.meta import meta_twin
from trainables.structure.channels import find_groups
from trainables.structure.removable import removable_groups
from trainables.structure.removal import disagreement, mask, plan_removal, remove
from trainables.vision import torchvision

SHAPE = (1, 8, 8)


class Shared(nn.Module):
    """Runs one convolution twice, and one norm three times."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.last, self.head = nn.BatchNorm2d(8), nn.Conv2d(8, 12, 3), nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.first(x)))
        for _ in range(2):
            x = F.relu(self.norm(self.twice(x)))
        logits: Tensor = self.head(F.relu(self.last(x)).mean((2, 3)))
        return logits


class Functional(nn.Module):
    """Has weights that no module holds."""

    def __init__(self) -> None:
        super().__init__()
        self.bare, self.inner = nn.Parameter(torch.randn(8, 1, 3, 3)), nn.Conv2d(8, 8, 3)
        self.flat, self.head = nn.Parameter(torch.randn(6, 8)), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.inner(F.relu(F.conv2d(x, self.bare)))).mean((2, 3))
        logits: Tensor = self.head(F.relu(F.linear(x, self.flat)))
        return logits


class Views(nn.Module):
    """Has sizes written into its code."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 6, 3)
        self.third, self.fourth, self.head = nn.Linear(96, 20), nn.Linear(20, 12), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.second(F.relu(self.first(x)))).view(-1, 96)
        x = F.relu(self.fourth(F.relu(self.third(x))))
        logits: Tensor = self.head(x.view(len(x), 2, 6).sum(1))
        return logits


class Halves(nn.Module):
    """Gates one half of a layer's channels by the other."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.inner, self.head = nn.Conv2d(1, 8, 3), nn.Conv2d(4, 6, 3), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        values, gates = self.both(x).chunk(2, 1)
        logits: Tensor = self.head(F.relu(self.inner(values * gates.sigmoid())).mean((2, 3)))
        return logits


class Widest(nn.Module):
    """Scales its outputs by the width of the wider of two of its four branches."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(1, 8, 3) for _ in range(4))
        self.heads = nn.ModuleList(nn.Linear(8, 10) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        maps = [F.relu(branch(x)) for branch in self.branches]
        logits = sum(head(each.mean((2, 3))) for head, each in zip(self.heads, maps, strict=True))
        scaled: Tensor = logits * max(maps[1].shape[1], maps[2].shape[1])
        return scaled


@pytest.mark.parametrize(
    ("network", "removable"),
    [(Shared, ["first", "last"]), (Functional, []), (Views, ["first", "third"]), (Halves, ["inner"])],
)
def test_of_a_network_that_is_written_badly_only_what_can_go_does(
    network: type[nn.Module], removable: list[str]
) -> None:
    torch.manual_seed(0)
    model = network()
    before = copy.deepcopy(model.state_dict())
    groups = removable_groups(model, SHAPE)
    assert [group.name for group in groups] == removable
    assert all(map(torch.equal, model.state_dict().values(), before.values()))
    plan = plan_removal(groups, {group.name: torch.arange(group.size) % 3 == 0 for group in groups})
    masked, smaller = copy.deepcopy(model), copy.deepcopy(model)
    mask(masked, plan)
    remove(smaller, plan)
    assert disagreement(masked, smaller, SHAPE, generator=torch.Generator().manual_seed(0)) < 1e-5


def test_layers_that_may_each_become_narrower_but_not_both_are_tried_together() -> None:
    """Each half of the four survives; of the two that scale the outputs, one must stay whole."""
    torch.manual_seed(0)
    groups = removable_groups(Widest(), SHAPE)
    assert [group.name for group in groups] == ["branches.0", "branches.1", "branches.3"]


def test_the_graph_alone_does_not_show_sizes_in_code_and_gating_halves() -> None:
    assert [group.name for group in find_groups(Views(), SHAPE)] == ["first", "second", "third"]
    assert [group.name for group in find_groups(Halves(), SHAPE)] == ["both", "inner"]


def test_without_numbers_the_shapes_of_outputs_decide() -> None:
    assert [group.name for group in removable_groups(meta_twin(Views()), SHAPE)] == ["first", "third"]


def test_what_is_known_of_the_larger_network_is_not_tried_again() -> None:
    assert [group.name for group in removable_groups(Views(), SHAPE, known={"second", "gone"})] == ["second"]


def test_a_network_that_cannot_be_traced_is_refused_with_the_reason() -> None:
    shuffled = torchvision.models.shufflenet_v2_x0_5(num_classes=10)
    with pytest.raises(InfeasibleTrial, match="the filters of ShuffleNetV2 cannot be removed"):
        removable_groups(shuffled, (3, 32, 32))

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.gated_networks import GATED, PLACED, corner, dense, groups, groups_left, removed, structures
from trainables.gates.rounding import Kept, Rounding
from trainables.gates.structures import FOREIGN, find_structures
from trainables.structure.channels import find_groups

UNITS = {
    "mlp": 400,
    "lenet": 570,
    "resnet20": 336,
    "torchvision/resnet18": 1920,
    "torchvision/resnet50": 7552,
    "vit": 6 * (4 + 384),
}
BRANCHES = {"resnet20": 9, "resnet56": 27, "torchvision/resnet18": 8, "torchvision/resnet34": 16}


@pytest.mark.parametrize(("name", "units"), UNITS.items())
def test_all_units_that_nothing_else_depends_on_are_found(name: str, units: int) -> None:
    assert structures(name).units == units


@pytest.mark.parametrize(("name", "branches"), BRANCHES.items())
def test_every_residual_branch_is_found(name: str, branches: int) -> None:
    found = structures(name).branches
    assert len(found) == branches
    assert all(branch.last.startswith(f"{branch.block}.bn") for branch in found)


def test_attention_and_feed_forward_layers_are_branches_of_a_transformer_and_heads_are_units() -> None:
    found = structures("vit")
    ends = [branch.last.rpartition(".")[2] for branch in found.branches]
    assert ends == ["out", "fc2"] * 6
    heads = [group for group in found.groups if group.name.endswith("qkv")]
    assert [group.size for group in heads] == [4] * 6
    assert [group.branch for group in heads] == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("name", [name for name in GATED if "resnet" in name])
def test_stem_projections_residual_stream_and_classifier_get_no_gate(name: str) -> None:
    found = structures(name)
    written = {module for group in found.groups for module in group.writers}
    ends = {branch.last for branch in found.branches}
    streams = {module for module, _ in dense(name).named_modules() if "downsample" in module or "shortcut" in module}
    assert not written & {"conv1", "bn1", "fc", *ends, *streams}
    assert all(group.branch >= 0 for group in found.groups)


@pytest.mark.parametrize("name", ["mlp", "lenet", "digits_cnn", "vgg16_bn"])
def test_every_hidden_layer_of_a_plain_network_is_gated_and_the_classifier_is_not(name: str) -> None:
    layers = [module for module, layer in dense(name).named_modules() if getattr(layer, "weight", None) is not None]
    computing = [
        module for module in layers if "bn" not in module and dense(name).get_parameter(f"{module}.weight").ndim > 1
    ]
    assert [group.name for group in structures(name).groups] == computing[:-1]


def names(name: str) -> set[str]:
    return {group.name for group in structures(name).groups}


def test_stems_strided_blocks_squeeze_excite_and_heads_are_gated_where_asked_and_streams_with_all() -> None:
    on_branch = {group.name for group in find_structures(dense("inverted, all"), groups("inverted, all")).groups}
    hidden, everything = names("inverted, hidden"), names("inverted, all")
    assert on_branch == {"features.2.block.0.0"}
    stem, strided, squeeze, end = (
        f"features.{place}" for place in ("0.0", "3.block.0.0", "3.block.2.fc1", "3.block.3.0")
    )
    assert hidden - on_branch == {
        stem, "features.1.block.1.fc1", strided, squeeze, end, "features.4.0", "classifier.0"
    }  # fmt: skip
    assert everything - hidden == {"features.1.block.2.0"}
    assert all(group.branch == (0 if group.name in on_branch else -1) for group in structures("inverted, all").groups)


@pytest.mark.parametrize("placement", ["hidden", "all"])
def test_what_is_concatenated_is_gated_where_it_is_read_and_norms_carry_it(placement: str) -> None:
    found = structures(f"concatenating, {placement}").groups
    assert {group.name for group in found} == {group.name for group in groups("concatenating, all")}
    stem = found[0]
    assert [reader.reads_others for reader in stem.readers] == [False, True, True]
    second = stem.readers[1]
    assert second.roots == (*range(6), *[FOREIGN] * 4)
    assert [(carrier.per_unit, carrier.channels) for carrier in stem.carriers] == [(1, 10), (1, 14)]


class FeedingItself(nn.Module):
    """A stem, and a branch of one layer that reads and writes the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 10)
        self.block = Adding()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc(self.block(torch.relu(self.stem(x))).mean((2, 3)))
        return result


class Adding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x) + x
        return result


def test_a_stream_that_a_layer_reads_and_writes_gets_no_gate() -> None:
    network = FeedingItself()
    found = find_groups(network, (3, 8, 8))
    assert [group.size for group in found] == [4]
    assert find_structures(network, found, "all").groups == ()


def test_a_stream_without_a_layer_that_stays_gets_no_gate() -> None:
    streams = {group.name for group in groups("padded, all") if group.coupled}
    assert streams & names("padded, all") == {"conv1"}
    assert streams == {"conv1", "layer2.0.conv2", "layer3.0.conv2"}


def test_such_a_stream_gets_gates_if_asked_and_the_first_branch_that_writes_it_none() -> None:
    found = structures("padded, streams")
    assert {"conv1", "layer2.0.conv2", "layer3.0.conv2"} <= {group.name for group in found.groups}
    assert [branch.block for branch in found.branches] == ["layer1.0", "layer1.1", "layer2.1", "layer3.1"]
    inner = {group.name: group.branch for group in found.groups if group.name.endswith("conv1")}
    assert inner["layer2.0.conv1"] == inner["layer3.0.conv1"] == -1


@pytest.mark.parametrize("network", ["inverted", "concatenating", "projected", "divided", "attending"])
def test_where_another_layer_writes_every_stream_all_and_streams_are_the_same(network: str) -> None:
    everything = structures(f"{network}, all")
    assert find_structures(dense(f"{network}, all"), groups(f"{network}, all"), "streams") == everything


@pytest.mark.parametrize("name", PLACED)
@pytest.mark.parametrize("seed", [0, 1, 2, None])
def test_what_is_kept_is_found_again_in_the_same_order(name: str, seed: int | None) -> None:
    before = structures(name)
    kept = corner(name, seed) if seed is not None else _no_branches(name)
    network = removed(name, kept)
    after = find_structures(network, groups_left(name, network), name.partition(", ")[2])
    writers = {module for group in before.groups for module in group.writers}
    sizes = [int(kept[0][part].sum()) for part in before.slices()]
    assert [group.size for group in after.written_by(writers).groups] == [size for size in sizes if size]
    stay = [branch.block for branch, stays in zip(before.branches, kept[1].tolist(), strict=True) if stays]
    assert [branch.block for branch in after.branches] == stay


def _no_branches(name: str) -> Kept:
    found = structures(name)
    units = torch.rand(found.units, generator=torch.Generator().manual_seed(0))
    return Rounding(found).consistent(units, (units < 0.5, torch.zeros(len(found.branches), dtype=torch.bool)))

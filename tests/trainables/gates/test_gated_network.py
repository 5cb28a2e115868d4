"""The gated network: what it costs, what its budget limits, what is left after a deletion."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial
from trainables.gates.gated_network import GatedNetwork
from trainables.recipes.gating import Gating
from trainables.structure.complexity import measure


def a_network(folder: Path, model: str = "resnet20", **gating: Any) -> GatedNetwork:
    return GatedNetwork(Gating(epochs=1, **gating), a_trial(folder, model, precision="float32"))


def some(network: GatedNetwork) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two thirds of the units, and all branches but the second."""
    units, branches = network.everything()
    units[::3] = False
    branches[1:2] = False
    return network.rounding.consistent(units.double(), (units, branches))


@pytest.mark.parametrize("budget", [{"target_macs": 0.5}, {"target_params": 0.5}])
def test_the_cost_is_of_what_the_budget_limits_and_that_of_the_network_after_deletion(
    budget: dict[str, Any], tmp_path: Path
) -> None:
    network = a_network(tmp_path, **budget)
    kept = some(network)
    share = network.share(kept)
    assert network.share(network.everything()) == network.taxed(network.everything()) == 1
    assert network.target == 0.5
    assert network.delete(kept)
    left = measure(network.trial.model, network.trial.dataset.input_shape)
    now = left.params if "target_params" in budget else left.macs
    assert share == pytest.approx(now / network.whole)
    assert network.share(network.everything()) == pytest.approx(share)
    assert len(network.trial.dropped) == 1
    assert network.trial.measured["removal_disagreement"] < 1e-4


def test_deleting_nothing_changes_nothing(tmp_path: Path) -> None:
    network = a_network(tmp_path, "digits_cnn")
    model = network.trial.model
    assert not network.delete(network.everything())
    assert network.trial.model is model
    assert "removal_disagreement" not in network.trial.measured


def test_slopes_are_what_single_structures_add_to_the_taxed_cost(tmp_path: Path) -> None:
    network = a_network(tmp_path, beta=0.25, alpha=0.5)
    ones = tuple(part.double() for part in network.everything())
    for index in (0, 1):
        less = [part.clone() for part in ones]
        less[index][0] = 0
        slope = network.slopes((ones[0], ones[1]))[index][0]
        assert 1 - network.taxed((less[0], less[1])) == pytest.approx(float(slope))


def test_the_gates_of_a_closed_network_are_gone(tmp_path: Path) -> None:
    network = a_network(tmp_path, "digits_cnn")
    network.close()
    assert not network.is_open
    assert all(not module._forward_pre_hooks for module in network.trial.model.modules())
    with pytest.raises(AssertionError, match="closed"):
        _ = network.gates


def test_what_has_nothing_to_gate_and_what_cannot_be_so_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no residual branches to gate"):
        a_network(tmp_path, "digits_cnn", units=False)
    with pytest.raises(InfeasibleTrial, match=r"target_params = 0\.001: .* of the parameters of resnet20"):
        a_network(tmp_path, target_params=0.001)


@pytest.mark.parametrize("placement", ["hidden", "all"])
def test_without_blocks_the_gates_left_are_those_kept_and_a_resumed_trial_has_the_same(
    placement: str, tmp_path: Path
) -> None:
    network = a_network(tmp_path, "torchvision/resnet18", placement=placement)
    units, branches = network.everything()
    units[::5] = False
    branches[:2] = False  # the whole first stage: nothing but the stem writes its stream now
    kept = network.rounding.consistent(units.double(), (units, branches))
    groups, parts = network.structures.groups, network.structures.slices()
    sizes = [int(kept[0][part].sum()) for part in parts]
    names = [group.name for group, size in zip(groups, sizes, strict=True) if size]
    assert network.delete(kept)
    left = network.structures
    assert [group.size for group in left.groups] == [size for size in sizes if size]
    assert [group.name for group in left.groups] == [_lasting(name, network) for name in names]
    assert ("conv1" in names) == (placement == "all")
    again = GatedNetwork(network.gating, network.trial)
    assert again.structures == left


def test_streams_that_only_branches_write_lose_channels_and_a_resumed_trial_has_the_same_gates(tmp_path: Path) -> None:
    network = a_network(tmp_path, placement="streams", target_macs=0.5)
    kept = some(network)
    share = network.share(kept)
    assert network.delete(kept)
    left = measure(network.trial.model, network.trial.dataset.input_shape)
    assert left.macs / network.whole == pytest.approx(share)
    sizes = {group.name: group.size for group in network.structures.groups}
    assert 16 <= sizes["layer2.0.conv2"] < 32
    assert 32 <= sizes["layer3.0.conv2"] < 64
    assert network.trial.measured["removal_disagreement"] < 1e-4
    assert GatedNetwork(network.gating, network.trial).structures == network.structures


def _lasting(name: str, network: GatedNetwork) -> str:
    """Return the name of a group after the removal of blocks: that of the first layer left that writes it."""
    block = name.rpartition(".")[0]
    return f"{block}.downsample.0" if block in network.trial.dropped else name

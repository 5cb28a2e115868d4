import pytest

from tests.trainables.gated_networks import GATED, dense, structures

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

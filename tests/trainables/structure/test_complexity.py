import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.networks import SHAPES, build
from trainables import models
from trainables.masking.masks import prunable_weights
from trainables.structure.attention import find_heads
from trainables.structure.complexity import effective, latency, measure


@pytest.mark.parametrize(
    ("name", "classes", "shape", "params", "macs"),
    [
        ("resnet20", 10, (3, 32, 32), 0.270e6, 40.6e6),
        ("resnet56", 10, (3, 32, 32), 0.853e6, 125.5e6),
        ("torchvision/resnet50", 1000, (3, 224, 224), 25.56e6, 4.089e9),
    ],
)
def test_known_networks_have_their_known_size(
    name: str, classes: int, shape: tuple[int, int, int], params: float, macs: float
) -> None:
    measured = measure(models.build(name, classes=classes, input_shape=shape), shape)
    assert measured.params == pytest.approx(params, rel=1.5e-3)
    assert measured.macs == pytest.approx(macs, rel=1.5e-3)
    assert measured.bytes == 4 * measured.params


def macs_by_hand(model: nn.Module, shape: tuple[int, int, int]) -> dict[str, int]:
    """Count weights times positions at which each convolution and linear layer uses them."""
    found = {}
    hooks = [
        module.register_forward_hook(
            lambda m, _, out, name=name: found.update({name: m.weight.numel() * out[0].numel() // out.shape[1]})
        )
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    model.eval()(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("name", ["lenet", "digits_cnn", "resnet20", "mobilenet_v2", "torchvision/mobilenet_v3_small"])
def test_macs_of_each_layer_are_its_weights_times_their_positions(name: str) -> None:
    model = build(name)
    layers = measure(model, SHAPES[name]).layers
    assert {layer: cost.macs for layer, cost in layers.items() if cost.macs} == macs_by_hand(model, SHAPES[name])


@pytest.mark.parametrize("name", ["digits_cnn", "resnet20", "torchvision/resnet18"])
def test_parameters_of_the_layers_are_all_parameters_of_the_network(name: str) -> None:
    model = build(name)
    measured = measure(model, SHAPES[name])
    assert measured.params == sum(p.numel() for p in model.parameters())
    assert all(
        cost.params == sum(p.numel() for p in model.get_submodule(layer).parameters(recurse=False))
        for layer, cost in measured.layers.items()
    )


class Attention(nn.Module):
    """Reads an image as a sequence of its rows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(width, 2, 2 * width, batch_first=True)])

    def forward(self, x: Tensor) -> Tensor:
        rows: Tensor = self.layers[0](x[:, 0])
        return rows.mean(1)


def test_attention_counts_its_projections_and_both_its_products() -> None:
    tokens, width = 6, 8
    measured = measure(Attention(width), (1, tokens, width))
    projections, products = 4 * tokens * width**2, 2 * tokens**2 * width
    assert measured.layers["layers.0.self_attn"].macs == 3 * projections // 4 + products
    assert measured.layers["layers.0.self_attn.out_proj"].macs == projections // 4
    assert measured.macs == projections + products + 2 * tokens * width * 2 * width


@pytest.fixture
def busy() -> nn.Module:
    """A network in the middle of training: mixed modes, gradients, a frozen layer."""
    model = build("digits_cnn")
    model(torch.randn(4, 1, 8, 8)).sum().backward()
    model.get_submodule("bn2").eval()
    model.get_submodule("conv1").requires_grad_(False)
    return model


def everything(model: nn.Module) -> Iterator[object]:
    yield from (module.training for module in model.modules())
    yield from (tensor.clone() for tensor in model.state_dict().values())
    yield from (p.requires_grad for p in model.parameters())
    yield from (None if p.grad is None else p.grad.clone() for p in model.parameters())
    yield torch.get_rng_state()


def assert_same(before: list[object], after: list[object]) -> None:
    for old, new in zip(before, after, strict=True):
        assert torch.equal(old, new) if isinstance(old, Tensor) and isinstance(new, Tensor) else old == new


def test_counting_and_timing_leave_the_network_as_it_was(busy: nn.Module) -> None:
    before = list(everything(busy))
    measure(busy, (1, 8, 8))
    latency(busy, (1, 8, 8), warmup=1, runs=2)
    assert_same(before, list(everything(busy)))


def test_a_network_that_cannot_run_keeps_its_modes(busy: nn.Module) -> None:
    before = list(everything(busy))
    with pytest.raises(RuntimeError):
        measure(busy, (3, 8, 8))
    assert_same(before, list(everything(busy)))


def test_counting_runs_in_the_networks_own_type() -> None:
    model = build("digits_cnn")
    single = measure(model, (1, 8, 8))
    half = measure(model.to(torch.bfloat16), (1, 8, 8))
    assert (half.macs, half.params, half.bytes) == (single.macs, single.params, single.bytes // 2)


def random_masks(model: nn.Module, density: float) -> dict[str, Tensor]:
    return {name: (torch.rand_like(p) < density).float() for name, p in model.named_parameters() if p.dim() > 1}


def test_without_masks_the_effective_cost_is_the_dense_one() -> None:
    model = build("resnet20")
    whole = {name: torch.ones_like(p) for name, p in model.named_parameters()}
    dense = measure(model, SHAPES["resnet20"])
    assert effective(model, SHAPES["resnet20"], {}) == dense == effective(model, SHAPES["resnet20"], whole)


@pytest.mark.parametrize("name", ["lenet", "resnet20", "mobilenet_v2"])
def test_each_weight_that_is_left_costs_a_mac_per_position(name: str) -> None:
    model = build(name)
    masks = random_masks(model, 0.3)
    positions = {
        layer: macs // model.get_parameter(f"{layer}.weight").numel()
        for layer, macs in macs_by_hand(model, SHAPES[name]).items()
    }
    found = effective(model, SHAPES[name], masks)
    assert found.macs == sum(int(masks[f"{layer}.weight"].sum()) * times for layer, times in positions.items())
    pruned = sum(int((mask == 0).sum()) for mask in masks.values())
    assert found.params == sum(p.numel() for p in model.parameters()) - pruned
    assert found.bytes == 4 * found.params


def test_weights_beyond_the_precision_of_float32_are_counted_exactly() -> None:
    wide = nn.Sequential(nn.Flatten(), nn.Linear(4096, 4097, bias=False))
    mask = torch.ones(4097, 4096)
    mask[0, 0] = 0
    assert effective(wide, (1, 64, 64), {"1.weight": mask}).params == 4096 * 4097 - 1


def test_masks_of_no_parameter_are_refused() -> None:
    with pytest.raises(ValueError, match=r"conv9\.weight"):
        effective(build("digits_cnn"), (1, 8, 8), {"conv9.weight": torch.ones(1)})


def test_latency_times_a_copy_in_evaluation_mode_on_whole_batches() -> None:
    seen = []
    model = build("digits_cnn").train()
    model.register_forward_hook(lambda m, x, _: seen.append((m is model, m.training, len(x[0]))))
    assert latency(model, (1, 8, 8), batch=3, warmup=2, runs=5) > 0
    assert seen == [(False, False, 3)] * 7


def test_a_copied_network_costs_the_same() -> None:
    model = build("resnet20")
    assert measure(copy.deepcopy(model), SHAPES["resnet20"]) == measure(model, SHAPES["resnet20"])


FAMILIES = (
    *(name for name in SHAPES if not name.startswith(models.PREFIX) and name != "vit"),
    *(
        f"{models.PREFIX}{name}"
        for name in (
            "alexnet",
            "convnext_tiny",
            "densenet121",
            "efficientnet_b0",
            "googlenet",
            "inception_v3",
            "maxvit_t",
            "mnasnet0_5",
            "mobilenet_v3_small",
            "regnet_y_400mf",
            "resnet18",
            "shufflenet_v2_x0_5",
            "squeezenet1_1",
            "swin_t",
            "swin_v2_t",
            "vgg11_bn",
            "vit_b_32",
        )
    ),
)
"""A network of every family of the zoo."""

SIZES = {"torchvision/maxvit_t": 224, "torchvision/inception_v3": 75}


def test_the_products_of_a_head_count_until_all_its_values_are_masked() -> None:
    model = build("vit")
    weights = prunable_weights(model)
    dense = measure(model, SHAPES["vit"]).layers["encoder.attention0.layer"].macs
    assert dense == 2 * 16 * 16 * 96, "queries with keys, and their shares with values, of 4 x 4 patches"
    masks = {name: torch.ones(weight.shape) for name, weight in weights.items()}
    masks["encoder.attention0.layer.qkv.weight"][-24:] = 0  # the values of the last of four heads
    layers = effective(model, SHAPES["vit"], masks).layers
    assert layers["encoder.attention0.layer"].macs == dense * 3 // 4
    assert layers["encoder.attention1.layer"].macs == dense
    assert effective(model, SHAPES["vit"], {name: torch.zeros(w.shape) for name, w in weights.items()}).macs == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_masked_weights_cost_nothing_whichever_module_multiplies_by_them(name: str) -> None:
    size = SIZES.get(name, 64)
    shape = SHAPES.get(name, (3, size, size))
    with torch.device("cpu" if "regnet" in name else "meta"):  # shapes alone are counted, but RegNet computes its own
        model = models.build(name, classes=10, input_shape=shape)
    weights = prunable_weights(model)
    layers = measure(model, shape).layers
    dense = sum(layer.macs for layer in layers.values())
    of_heads = sum(layers[heads.module].macs for heads in find_heads(model))  # which live on with a tenth of weights
    rest = effective(model, shape, {key: torch.zeros(w.shape) for key, w in weights.items()}).macs
    tenth = {key: (torch.arange(w.numel()) % 10 == 0).view(w.shape) for key, w in weights.items()}
    assert effective(model, shape, tenth).macs == pytest.approx(0.1 * (dense - rest) + rest + 0.9 * of_heads, rel=5e-3)
    assert 0 < rest < 0.1 * dense if "swin" in name or "maxvit" in name else rest == 0


def test_each_part_of_a_weight_that_is_multiplied_counts_by_its_own_density() -> None:
    attention = Attention(8)
    masks = {"layers.0.self_attn.in_proj_weight": torch.ones(24, 8)}
    masks["layers.0.self_attn.in_proj_weight"][:8] = 0  # no query is left
    dense, masked = measure(attention, (1, 6, 8)), effective(attention, (1, 6, 8), masks)
    assert dense.macs - masked.macs == 6 * 8 * 8

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 8))

        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ self.weight[:2].T

    half = {"weight": torch.cat([torch.ones(2, 8), torch.zeros(2, 8)])}
    assert effective(Half(), (1, 1, 8), half).macs == measure(Half(), (1, 1, 8)).macs == 16

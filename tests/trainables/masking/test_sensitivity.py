"""Scores that look at activations, against loops over every image and position, and against what must hold of them."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.trainables.tiny_networks import CLASSES, SHAPE, batches, flatten, network, scoring
from trainables.masking import criteria, sensitivity
from trainables.masking.sensitivity import largest_by_channel, largest_products, mean_products
from trainables.structure.channels import find_groups

CONVOLUTIONS = {
    "plain": lambda: nn.Conv2d(4, 6, 3),
    "padded": lambda: nn.Conv2d(4, 6, (3, 2), padding=(2, 1), stride=(2, 1)),
    "dilated": lambda: nn.Conv2d(4, 6, 2, dilation=2, padding="same"),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2, stride=2, padding=1),
    "depthwise": lambda: nn.Conv2d(4, 8, 3, groups=4, padding="valid"),
    "reflecting": lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
}


def inputs(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def windows(layer: nn.Conv2d, images: Tensor) -> Iterator[Tensor]:
    """Give [in, *kernel] at each position of each image."""
    (p, q), (s, t), (d, e), (h, w) = (0, 0), layer.stride, layer.dilation, layer.kernel_size
    if layer.padding == "same":
        before = [(d * (h - 1)) // 2, (e * (w - 1)) // 2]
        after = [d * (h - 1) - before[0], e * (w - 1) - before[1]]
        images = F.pad(images, (before[1], after[1], before[0], after[0]))
    elif not isinstance(layer.padding, str):
        p, q = layer.padding
        images = F.pad(images, (q, q, p, p), mode="reflect" if layer.padding_mode == "reflect" else "constant")
    rows, columns = range(0, images.shape[2] - d * (h - 1), s), range(0, images.shape[3] - e * (w - 1), t)
    for image, top, left in product(images, rows, columns):
        yield image[:, top : top + d * (h - 1) + 1 : d, left : left + e * (w - 1) + 1 : e]


def loop(layer: nn.Conv2d, images: Tensor) -> Tensor:
    """Return |w a| of every sample, [samples, *weight]."""
    inside, outside = layer.in_channels // layer.groups, layer.out_channels // layer.groups
    read = [
        torch.stack([window[g * inside : (g + 1) * inside] for g in range(layer.groups) for _ in range(outside)])
        for window in windows(layer, images)
    ]
    return (torch.stack(read) * layer.weight.detach()).abs()


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_convolution_s_scores_are_those_of_a_loop_over_images_and_positions(kind: str) -> None:
    layer, images = CONVOLUTIONS[kind]().double(), inputs(5, 4, 7, 6)
    samples, model = loop(layer, images), nn.Sequential(layer)
    batches = [images[:2], images[2:]]
    assert len(samples) == 5 * layer(images)[0, 0].numel()
    assert torch.allclose(mean_products(model, batches)["0.weight"], samples.mean(0), rtol=1e-12)
    assert torch.equal(largest_products(model, batches)["0.weight"], samples.amax(0))


@pytest.mark.parametrize("at_once", [1, 2**24])
def test_a_channel_s_score_is_the_most_that_it_adds_to_a_sum(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "AT_ONCE", at_once)
    torch.manual_seed(0)
    second, last = nn.Conv2d(3, 4, 2, stride=2).double(), nn.Linear(36, 5).double()
    first = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()).double()
    model, images = nn.Sequential(first, second, nn.ReLU(), nn.Flatten(), last), inputs(3, 1, 8, 8)
    scores = largest_by_channel(model, find_groups(model, SHAPE), [images[:1], images[1:]])
    read = first(images).detach()
    added = torch.stack([(window * second.weight.detach()).sum((2, 3)) for window in windows(second, read)])
    assert torch.allclose(scores["0.0"], added.abs().amax((0, 1)), rtol=1e-12)
    flat, weight = second(read).relu().detach().flatten(2), last.weight.detach().unflatten(1, (4, 9))
    assert torch.allclose(scores["1"], torch.einsum("ocp,ncp->noc", weight, flat).abs().amax((0, 1)), rtol=1e-12)


def linear(width: int = 3) -> tuple[nn.Module, nn.Linear, nn.Linear]:
    torch.manual_seed(0)
    first, second = nn.Linear(64, width).double(), nn.Linear(width, CLASSES).double()
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), second), first, second


def test_a_filter_s_score_is_that_of_its_channel_in_what_reads_it() -> None:
    model, first, second = linear()
    with torch.no_grad():
        first.bias[1] = -100  # its output is always 0
    data = batches()
    hidden = torch.cat([first(images.flatten(1)) for images, _ in data]).relu().detach()
    scores = criteria.pfp(scoring(model, "filter", data))
    assert torch.allclose(scores["1.weight"], hidden.amax(0) * second.weight.detach().abs().amax(0))
    assert scores["1.weight"][1] == 0
    assert scores["1.weight"].count_nonzero() == 2


def test_all_layers_that_write_one_residual_stream_have_its_scores() -> None:
    scores, model = criteria.pfp(scoring(network("resnet20"), "filter")), network("resnet20")
    streams = [group for group in find_groups(model, SHAPE) if group.coupled]
    assert streams
    for group in streams:
        first, *others = (scores[f"{producer}.weight"] for producer in group.producers)
        assert all(torch.allclose(other, first) for other in others)


def test_of_a_single_image_the_score_of_a_weight_is_what_it_adds() -> None:
    model, first, _ = linear()
    image = inputs(1, *SHAPE)
    wanted = (first.weight.detach() * image.flatten(1)).abs()
    for scores in (mean_products(model, [image]), largest_products(model, [image])):
        assert torch.equal(scores["1.weight"], wanted)


def test_where_all_activations_are_one_weights_rank_by_magnitude() -> None:
    layer = nn.Conv2d(1, 4, 3)
    scores = mean_products(nn.Sequential(layer), [torch.ones(2, *SHAPE)])["0.weight"]
    assert torch.equal(scores.flatten().argsort(), layer.weight.detach().abs().flatten().argsort())


@pytest.mark.parametrize("score", [mean_products, largest_products])
def test_a_dead_input_is_worth_nothing_and_a_larger_one_more(
    score: Callable[[nn.Module, list[Tensor]], dict[str, Tensor]],
) -> None:
    model, _, _ = linear()
    images = inputs(4, *SHAPE)
    images[:, :, 0] = 0
    scores = score(model, [images])["1.weight"]
    assert not scores[:, :8].any()
    assert scores[:, 8:].all()
    assert torch.equal(score(model, [4 * images])["1.weight"], 4 * scores)


def test_batches_of_several_sizes_count_by_their_images() -> None:
    model, images = network("digits_cnn"), inputs(7, *SHAPE)
    once, apart = mean_products(model, [images]), mean_products(model, [images[:1], images[1:3], images[3:]])
    assert all(torch.allclose(once[name], apart[name], rtol=1e-10) for name in once)


@pytest.mark.parametrize("sizes", [{}, {"kdim": 6, "vdim": 4}])
def test_attention_s_weights_read_what_they_multiply(sizes: dict[str, int]) -> None:
    torch.manual_seed(0)
    layer, width = nn.MultiheadAttention(8, 2, batch_first=True, **sizes).double(), {"kdim": 8, "vdim": 8} | sizes
    query, key, value = inputs(3, 5, 8), inputs(3, 4, width["kdim"], seed=1), inputs(3, 4, width["vdim"], seed=2)

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, queries: Tensor) -> Tensor:
            return cast(Tensor, self.layer(queries, key, value=value, need_weights=False)[0])

    scores = mean_products(Attending(), [query])
    read = [values.abs().mean((0, 1)) for values in (query, key, value)]
    if sizes:
        for letter, entering in zip("qkv", read, strict=True):
            weight = layer.get_parameter(f"{letter}_proj_weight").detach().abs()
            assert torch.allclose(scores[f"layer.{letter}_proj_weight"], weight * entering)
    else:
        entering = torch.stack(read).repeat_interleave(8, 0)
        assert torch.allclose(scores["layer.in_proj_weight"], layer.in_proj_weight.detach().abs() * entering)
    heads = torch.linalg.solve(layer.out_proj.weight, layer(query, key, value)[0].flatten(0, 1).T).detach().T
    wanted = layer.out_proj.weight.detach().abs() * heads.abs().mean(0)
    assert torch.allclose(scores["layer.out_proj.weight"], wanted)


def test_scores_on_a_masked_network_are_those_of_what_is_left() -> None:
    model = network("digits_cnn")
    before = flatten(mean_products(model, [inputs(4, *SHAPE)]))
    with torch.no_grad():
        model.get_parameter("conv1.weight")[::2] = 0
    after = mean_products(model, [inputs(4, *SHAPE)])
    assert not after["conv1.weight"][::2].any()
    assert after["conv1.weight"][1::2].all()
    assert not torch.equal(flatten(after), before)

"""Criteria against independent routes: finite differences, whole Hessians, conservation laws."""

import copy
from collections.abc import Iterator
from itertools import islice

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.tiny_networks import (
    ARCHITECTURES,
    batches,
    flatten,
    gradient_and_hessian,
    loss_of,
    network,
    scoring,
    tiny,
)
from trainables import granularities, models
from trainables.masking import criteria
from trainables.masking.criteria import Batch
from trainables.masking.flow import flow_through
from trainables.masking.masks import prunable_weights

PIECES = ("weight", "block_4", "filter", "layer")


def slopes(model: nn.Module, granularity: str, data: list[Batch], most: int) -> Iterator[tuple[str, int, float]]:
    """Give dL/dc by central differences, c one variable on a piece, for up to `most` pieces of each layer."""
    for name, weight in prunable_weights(model).items():
        count = granularities.find(granularity).sum(weight.detach()).numel()
        for piece in torch.randperm(count, generator=torch.Generator().manual_seed(0))[:most].tolist():
            yield name, piece, _slope(model, weight, granularity, piece, data)


@torch.no_grad()
def _slope(model: nn.Module, weight: nn.Parameter, granularity: str, piece: int, data: list[Batch]) -> float:
    shape = granularities.find(granularity).sum(weight).shape
    chosen = torch.zeros(shape, dtype=weight.dtype).flatten().index_fill(0, torch.tensor(piece), 1).view(shape)
    move = granularities.find(granularity).spread(chosen, weight.shape) * weight
    before, step = weight.clone(), 1e-5
    weight.copy_(before + step * move)
    up = float(loss_of(model, data))
    weight.copy_(before - step * move)
    down = float(loss_of(model, data))
    weight.copy_(before)
    return (up - down) / (2 * step)


@pytest.mark.parametrize("granularity", PIECES)
def test_snip_is_the_absolute_slope_of_the_loss_in_each_piece(granularity: str) -> None:
    model, data = tiny(), batches()
    scores = criteria.snip(scoring(model, granularity, data))
    found = {(name, piece): abs(slope) for name, piece, slope in slopes(model, granularity, data, most=100)}
    assert len(found) == sum(score.numel() for score in scores.values())
    total = sum(found.values())
    for (name, piece), slope in found.items():
        assert float(scores[name].flatten()[piece]) == pytest.approx(slope / total, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_taylor_is_the_squared_slope_of_the_loss_in_each_piece(name: str, granularity: str) -> None:
    model, data = network(name), batches(count=1, size=8)
    scores = criteria.taylor(scoring(model, granularity, data))
    for layer, piece, slope in islice(slopes(model, granularity, data, most=2), 24):
        assert float(scores[layer].flatten()[piece]) == pytest.approx(slope**2, rel=1e-3, abs=1e-12)


def test_taylor_averages_squares_over_batches() -> None:
    model, data = tiny(), batches()
    apart = [criteria.taylor(scoring(model, "filter", [batch])) for batch in data]
    together = criteria.taylor(scoring(model, "filter", data))
    assert all(torch.allclose(together[n], (apart[0][n] + apart[1][n]) / 2) for n in together)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("granularity", PIECES)
def test_snip_scores_sum_to_one(name: str, granularity: str) -> None:
    scores = criteria.snip(scoring(network(name), granularity))
    assert float(flatten(scores).sum()) == pytest.approx(1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_force_on_an_unmasked_network_is_snip(name: str) -> None:
    view = scoring(network(name))
    assert torch.equal(flatten(criteria.force(view)), flatten(criteria.snip(view)))


def test_force_scores_masked_weights_by_what_they_were_worth_and_snip_does_not() -> None:
    model = network("digits_cnn")
    view = scoring(model)
    with torch.no_grad():
        model.conv2.weight[:, :8] = 0  # type: ignore[union-attr, operator]
    assert criteria.force(view)["conv2.weight"][:, :8].count_nonzero() > 0
    assert criteria.snip(view)["conv2.weight"][:, :8].count_nonzero() == 0


@pytest.mark.parametrize("granularity", PIECES)
def test_grasp_agrees_with_the_whole_hessian(granularity: str) -> None:
    model, data = tiny(), batches()
    gradient, hessian = gradient_and_hessian(model, data, temperature=200)
    weights = prunable_weights(model)
    products = (flatten(weights) * (hessian @ gradient)).split([weight.numel() for weight in weights.values()])
    pieces = [
        granularities.find(granularity).sum(product.view_as(weight)).flatten()
        for product, weight in zip(products, weights.values(), strict=True)
    ]
    wanted = torch.cat(pieces)
    scores = flatten(criteria.grasp(scoring(model, granularity, data)))
    assert torch.allclose(scores, wanted / wanted.sum().abs(), rtol=1e-8, atol=1e-12)


def test_what_grasp_scores_lowest_raises_the_gradient_s_norm_when_it_shrinks() -> None:
    model, data = tiny(), batches()
    scores = criteria.grasp(scoring(model, data=data))
    name = min(scores, key=lambda n: float(scores[n].min()))
    position, weight = scores[name].argmin(), prunable_weights(model)[name]
    before = gradient_norm(model, data)
    with torch.no_grad():
        weight.view(-1)[position] *= 0.99
    assert scores[name].min() < 0
    assert gradient_norm(model, data) > before


def gradient_norm(model: nn.Module, data: list[Batch]) -> Tensor:
    slopes = torch.autograd.grad(loss_of(model, data, temperature=200), list(prunable_weights(model).values()))
    norm: Tensor = torch.cat([slope.flatten() for slope in slopes]).norm()
    return norm


@pytest.mark.parametrize("granularity", PIECES)
def test_obd_estimates_the_diagonal_of_the_hessian_without_bias(granularity: str) -> None:
    model, data, samples = tiny(), batches(count=1), 500
    weights = prunable_weights(model)
    spread = piece_matrix(weights, granularity) * flatten(weights)[:, None]
    curvature = spread.T @ gradient_and_hessian(model, data)[1] @ spread
    estimate = flatten(criteria.obd(scoring(model, granularity, data), samples=samples))
    errors = estimate - 0.5 * curvature.diagonal()
    deviation = 0.5 * (curvature - curvature.diagonal().diag()).square().sum(1).sqrt() / samples**0.5
    assert (errors.abs() < 5 * deviation + 1e-12).all()
    assert (deviation < curvature.diagonal().abs().max() / 4).all()


def piece_matrix(weights: dict[str, nn.Parameter], granularity: str) -> Tensor:
    """Return the 0/1 matrix [weights, pieces] that says which weight belongs to which piece."""
    blocks = []
    for weight in weights.values():
        shape = granularities.find(granularity).sum(weight.detach()).shape
        numbers = torch.arange(shape.numel(), dtype=weight.dtype).view(shape)
        owner = granularities.find(granularity).spread(numbers, weight.shape).flatten()
        blocks.append((owner[:, None] == torch.arange(shape.numel())).to(weight.dtype))
    matrix: Tensor = torch.block_diag(*blocks)
    return matrix


def test_obd_averages_over_samples_and_batches() -> None:
    model, data = tiny(), batches(count=1)
    once = criteria.obd(scoring(model, "layer", data), samples=150)
    twice = criteria.obd(scoring(model, "layer", data * 2), samples=150)
    assert torch.allclose(flatten(once), flatten(twice), rtol=0.5)


@pytest.mark.parametrize("name", ["mlp", "digits_cnn", "vgg16_bn"])
def test_synflow_gives_every_layer_the_same_sum_without_batch_norm_and_biases(name: str) -> None:
    shape = (1, 16, 16)
    torch.manual_seed(0)
    model = models.build(name, classes=10, input_shape=shape)
    without_norm_and_bias(model)
    flow, from_input = flow_through(model, shape)
    sums = torch.stack([score.sum() for score in flow.values()])
    assert torch.allclose(sums, sums[0].expand_as(sums), rtol=1e-9)
    assert float(from_input.sum()) == pytest.approx(float(sums[0]))


def test_synflow_conserves_at_every_hidden_unit() -> None:
    model = network("mlp")
    without_norm_and_bias(model)
    scores = criteria.synflow(scoring(model))
    for before, after in (("fc1.weight", "fc2.weight"), ("fc2.weight", "fc3.weight")):
        assert torch.allclose(scores[before].sum(1), scores[after].sum(0), rtol=1e-9)


@torch.no_grad()
def without_norm_and_bias(model: nn.Module) -> None:
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            model.set_submodule(name, nn.Identity())
        elif getattr(module, "bias", None) is not None:
            module.bias.zero_()


def test_synflow_reaches_every_weight_of_networks_with_ceilings_and_running_means() -> None:
    torch.manual_seed(0)
    model = models.build("mobilenet_v2", classes=10, input_shape=(3, 16, 16))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.fill_(100)
    scores, _ = flow_through(model, (3, 16, 16))
    assert all(torch.isfinite(score).all() and score.max() > 0 for score in scores.values())


def test_synflow_leaves_the_range_of_single_precision_without_trouble() -> None:
    model = network("resnet20").float()
    with torch.no_grad():
        for weight in prunable_weights(model).values():
            weight.mul_(100)
    assert torch.isfinite(flatten(criteria.synflow(scoring(model)))).all()


def test_filters_are_scored_by_their_norms() -> None:
    model = network("digits_cnn")
    weight = model.conv2.weight.detach()  # type: ignore[union-attr, operator]
    assert torch.allclose(criteria.magnitude(scoring(model, "filter"))["conv2.weight"], weight.abs().sum((1, 2, 3)))
    assert torch.allclose(criteria.l2(scoring(model, "filter"))["conv2.weight"], weight.flatten(1).norm(dim=1))


def test_random_scores_follow_the_seed() -> None:
    model = network("mlp")
    first, again = (flatten(criteria.random(scoring(model))) for _ in range(2))
    view = scoring(model)
    view.generator.manual_seed(5)
    assert torch.equal(first, again)
    assert not torch.equal(first, flatten(criteria.random(view)))
    assert not torch.equal(first, flatten(criteria.random(view)))


def test_absolute_grasp_is_grasp_without_its_sign() -> None:
    model = copy.deepcopy(tiny())
    assert torch.equal(flatten(criteria.grasp_magnitude(scoring(model))), flatten(criteria.grasp(scoring(model))).abs())

"""Allocation: what the formulas and rankings across layers give, on drawn shapes and on real networks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.trainables.tiny_networks import ARCHITECTURES, network
from trainables.masking.allocation import DENSITIES, erdos_renyi, keep_best, lamp, smart_ratio
from trainables.masking.masks import prunable_weights

layer_shapes = st.lists(
    st.one_of(
        st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.sampled_from([1, 3])),
        st.tuples(st.integers(1, 40), st.integers(1, 40)),
    ).map(torch.Size),
    min_size=1,
    max_size=8,
).map(lambda shapes: {f"layer{i}": shape for i, shape in enumerate(shapes)})
densities = st.floats(0.001, 1)
formulas = pytest.mark.parametrize("formula", DENSITIES)


def sizes(shapes: dict[str, torch.Size]) -> dict[str, int]:
    return {name: shape.numel() for name, shape in shapes.items()}


def scores_of(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


@formulas
@given(layer_shapes, densities)
def test_no_layer_is_denser_than_dense_and_the_total_is_exact(
    formula: str, shapes: dict[str, torch.Size], density: float
) -> None:
    found = DENSITIES[formula](shapes, sizes(shapes), density)
    assert all(0 <= value <= 1 for value in found.values())
    assert sum(found[name] * size for name, size in sizes(shapes).items()) == pytest.approx(
        density * sum(sizes(shapes).values())
    )


@formulas
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("density", [0.5, 0.1, 0.02])
def test_totals_are_exact_on_real_networks(formula: str, architecture: str, density: float) -> None:
    weights = prunable_weights(network(architecture))
    shapes = {name: weight.shape for name, weight in weights.items()}
    masks = keep_best(scores_of(shapes), density, formula, shapes)
    assert sum(int(mask.sum()) for mask in masks.values()) == round(density * sum(sizes(shapes).values()))


@pytest.mark.parametrize("kernel", [False, True])
def test_erdos_renyi_follows_its_formula_where_no_layer_is_full(kernel: bool) -> None:
    shapes = {"conv": torch.Size([16, 8, 3, 5]), "wide": torch.Size([64, 32, 3, 3]), "fc": torch.Size([10, 64])}
    found = erdos_renyi(shapes, sizes(shapes), 0.05, kernel=kernel)
    formula = {
        "conv": (16 + 8 + 3 + 5) / (16 * 8 * 3 * 5) if kernel else (16 + 8) / (16 * 8),
        "wide": (64 + 32 + 3 + 3) / (64 * 32 * 9) if kernel else (64 + 32) / (64 * 32),
        "fc": (10 + 64) / (10 * 64),
    }
    epsilon = found["conv"] / formula["conv"]
    assert max(found.values()) < 1
    assert found == pytest.approx({name: epsilon * value for name, value in formula.items()})


def test_erdos_renyi_fills_small_layers_and_solves_the_rest_again() -> None:
    shapes = {"small": torch.Size([2, 2]), "large": torch.Size([100, 100]), "larger": torch.Size([200, 100])}
    found = erdos_renyi(shapes, sizes(shapes), 0.5, kernel=True)
    assert found["small"] == 1
    assert found["large"] / found["larger"] == pytest.approx((200 / 10_000) / (300 / 20_000))


def test_smart_ratio_falls_with_depth_and_gives_linear_layers_three_tenths() -> None:
    shapes = {f"conv{i}": torch.Size([16, 16, 3, 3]) for i in range(4)} | {"fc": torch.Size([10, 16])}
    found = smart_ratio(shapes, sizes(shapes), 0.1)
    assert found["fc"] == 0.3
    ratios = [found[f"conv{i}"] / found["conv3"] for i in range(4)]
    assert ratios == pytest.approx([20 / 2, 12 / 2, 6 / 2, 1])


def test_lamp_is_the_square_over_what_is_no_smaller_in_its_layer() -> None:
    scaled = lamp({"a": torch.tensor([[1.0, 3.0], [2.0, -torch.inf]]), "b": torch.tensor([0.1])})
    assert scaled["a"].tolist() == [[pytest.approx(1 / 14), 1], [pytest.approx(4 / 13), -torch.inf]]
    assert scaled["b"].tolist() == [1]


@given(layer_shapes)
def test_lamp_keeps_the_order_within_layers(shapes: dict[str, torch.Size]) -> None:
    scores = scores_of(shapes)
    for name, scaled in lamp(scores).items():
        order = scores[name].flatten().argsort()
        assert (scaled.flatten()[order].diff() >= 0).all()


def test_ranking_across_layers_may_empty_one_and_sparing_keeps_its_best() -> None:
    scores = {"weak": torch.tensor([0.1, 0.3, 0.2]), "strong": torch.tensor([1.0, 2.0, 3.0])}
    shapes = {name: score.shape for name, score in scores.items()}
    assert keep_best(scores, 0.5, "global", shapes)["weak"].tolist() == [0, 0, 0]
    spared = keep_best(scores, 0.5, "global", shapes, spare=True)
    assert spared["weak"].tolist() == [0, 1, 0]
    assert spared["strong"].tolist() == [0, 1, 1]


def test_sparing_does_not_wake_the_dead() -> None:
    scores = {"dead": torch.full((3,), -torch.inf), "alive": torch.tensor([1.0, 2.0, 3.0])}
    shapes = {name: score.shape for name, score in scores.items()}
    masks = keep_best(scores, 0.5, "global", shapes, spare=True)
    assert masks["dead"].tolist() == [0, 0, 0]
    assert masks["alive"].sum() == 3


def test_lamp_never_empties_a_layer_while_there_is_a_piece_for_each() -> None:
    scores = {"weak": torch.tensor([1e-6, 2e-6]), "strong": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    masks = keep_best(scores, 0.34, "lamp", {name: score.shape for name, score in scores.items()})
    assert [int(mask.sum()) for mask in masks.values()] == [1, 1]


@given(st.floats(0, 0.05), st.sampled_from(["global", "lamp"]))
def test_sparing_keeps_a_piece_of_each_layer_even_if_that_is_more_than_the_density(density: float, scope: str) -> None:
    scores = {f"layer{n}": torch.rand(3) for n in range(20)}
    masks = keep_best(scores, density, scope, {name: score.shape for name, score in scores.items()}, spare=True)
    assert all(mask.sum() >= 1 for mask in masks.values())
    assert sum(int(mask.sum()) for mask in masks.values()) == max(20, round(density * 60))

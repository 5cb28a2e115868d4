"""What every scope must do."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from trainables.errors import InvalidValue
from trainables.masking.allocation import SCOPES, keep_best

every_scope = pytest.mark.parametrize("scope", SCOPES)
scopes_blind_to_depth = pytest.mark.parametrize("scope", sorted(set(SCOPES) - {"smart_ratio"}))

layer_sizes = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=6)
densities = st.floats(0, 1)


def layers(sizes: list[tuple[int, int]], *, dead: float = 0.0, tied: bool = False) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(len(sizes))
    found = {}
    for index, (out, inputs) in enumerate(sizes):
        kernel = (3, 3) if index % 2 == 0 else ()
        score = torch.rand(out, inputs, *kernel, generator=generator)
        score = score.round() if tied else score
        gone = torch.rand(score.shape, generator=generator) < dead
        found[f"layer{index}"] = score.masked_fill(gone, -torch.inf)
    return found


def shapes(scores: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: score.shape for name, score in scores.items()}


def wanted(scores: dict[str, Tensor], scope: str, density: float) -> int:
    if scope == "layer":
        return sum(max(1, round(density * score.numel())) for score in scores.values())
    total = round(density * sum(score.numel() for score in scores.values()))
    return total if scope in ("global", "lamp") else max(len(scores), total)


@every_scope
@given(layer_sizes, densities, st.booleans())
def test_counts_are_exact_even_among_ties(scope: str, sizes: list[tuple[int, int]], density: float, tied: bool) -> None:
    scores = layers(sizes, tied=tied)
    masks = keep_best(scores, density, scope, shapes(scores))
    assert all(masks[name].shape == score.shape for name, score in scores.items())
    assert all(((mask == 0) | (mask == 1)).all() for mask in masks.values())
    assert sum(int(mask.sum()) for mask in masks.values()) == wanted(scores, scope, density)


@every_scope
@given(layer_sizes, densities)
def test_the_best_of_each_layer_stay(scope: str, sizes: list[tuple[int, int]], density: float) -> None:
    scores = layers(sizes)
    for name, mask in keep_best(scores, density, scope, shapes(scores)).items():
        kept, lost = scores[name][mask == 1], scores[name][mask == 0]
        assert not len(kept) or not len(lost) or kept.min() >= lost.max()


@every_scope
@given(layer_sizes, densities)
def test_what_is_dead_stays_dead(scope: str, sizes: list[tuple[int, int]], density: float) -> None:
    scores = layers(sizes, dead=0.5)
    masks = keep_best(scores, density, scope, shapes(scores), spare=True)
    assert not any(mask[scores[name] == -torch.inf].any() for name, mask in masks.items())


@every_scope
@given(layer_sizes)
def test_a_density_of_one_prunes_nothing(scope: str, sizes: list[tuple[int, int]]) -> None:
    scores = layers(sizes)
    assert all(mask.all() for mask in keep_best(scores, 1.0, scope, shapes(scores)).values())


@scopes_blind_to_depth
@given(layer_sizes, densities)
def test_the_order_in_which_layers_come_does_not_matter_to_rankings(
    scope: str, sizes: list[tuple[int, int]], density: float
) -> None:
    scores = layers(sizes)
    turned = dict(reversed(scores.items()))
    counts = {name: int(mask.sum()) for name, mask in keep_best(scores, density, scope, shapes(scores)).items()}
    other = {name: int(mask.sum()) for name, mask in keep_best(turned, density, scope, shapes(turned)).items()}
    assert all(abs(counts[name] - other[name]) <= 1 for name in counts)


@scopes_blind_to_depth
@given(layer_sizes, densities, densities)
def test_a_higher_density_keeps_no_less_of_any_layer(
    scope: str, sizes: list[tuple[int, int]], one: float, other: float
) -> None:
    scores = layers(sizes)
    fewer = keep_best(scores, min(one, other), scope, shapes(scores))
    more = keep_best(scores, max(one, other), scope, shapes(scores))
    assert all(fewer[name].sum() <= more[name].sum() + 1 for name in scores)


def test_an_unknown_scope_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'layer'"):
        keep_best({}, 0.5, "layers", {})

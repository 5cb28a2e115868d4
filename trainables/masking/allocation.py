"""Allocation: given scores and a density, which pieces stay. Counts are exact: ties prune or keep nothing extra.

Scopes by name: ``global`` ranks all pieces together; ``lamp`` ranks them together after LAMP's scaling; ``layer``
gives each layer the same density; ``er``, ``erk`` and ``smart_ratio`` give each the density of a formula.
A score of -inf marks a piece that is pruned already and stays so.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainables.errors import check_name

Shapes = Mapping[str, torch.Size]
"""The shapes of prunable weights, [out, in, *kernel], in the network's order."""

Sizes = Mapping[str, int]
"""The numbers of pieces of the same layers."""


def keep_best(
    scores: Mapping[str, Tensor], density: float, scope: str, shapes: Shapes, *, spare: bool = False
) -> dict[str, Tensor]:
    """Return 0/1 masks of the scores' shapes that keep the best of the n pieces, or what is left if that is less.

    `global` and `lamp`, which rank across layers (Han et al. 2015, arXiv 1506.02626; Lee et al. 2021, arXiv
    2010.07611), keep round(density * n), and may empty a layer unless the best piece of each is to be spared, even
    where that is more. Under a formula's scope round(density * n) stay in all too, under `layer` round(density * n_l)
    of each layer l; both keep at least one of each layer. Raises InvalidValue for an unknown scope.
    """
    check_name("scope", scope, SCOPES)
    if scope in ACROSS_LAYERS:
        ranked = lamp(scores) if scope == "lamp" else scores
        if spare:
            return _keep_best_of_all(_spare_best(ranked), density, at_least=len(ranked))
        return _keep_best_of_all(ranked, density)
    counts = kept_counts({name: score.numel() for name, score in scores.items()}, density, scope, shapes)
    return {name: _best(score, counts[name]) for name, score in scores.items()}


def lamp(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scale squared scores by the sum of those of their layer that are no smaller (arXiv 2010.07611, eq. 1).

    The best piece of each layer has score 1. Negative scores, which magnitudes never are, count as 0.
    """
    return {name: _lamp(score) for name, score in scores.items()}


def erdos_renyi(shapes: Shapes, sizes: Sizes, density: float, *, kernel: bool) -> dict[str, float]:
    """Return densities proportional to (n_in + n_out) / (n_in n_out), capped at 1, whose total is exactly `density`.

    ER: Mocanu et al. 2018, arXiv 1707.04780. With the kernel's sides in sum and product, ERK: Evci et al. 2020,
    arXiv 1911.11134, section 3.
    """
    used = {name: shape if kernel else shape[:2] for name, shape in shapes.items()}
    return _capped({name: sum(shape) / shape.numel() for name, shape in used.items()}, sizes, density)


def smart_ratio(shapes: Shapes, sizes: Sizes, density: float) -> dict[str, float]:
    """Return densities proportional to (L - l + 1)^2 + (L - l + 1) for convolution l of L, and 0.3 in linear layers.

    Su et al. 2020, arXiv 2009.11094, section 4. Capped at 1, and in total exactly `density`; linear layers have that
    density too where 0.3 would leave the convolutions nothing or more than they can hold.
    """
    convolutions = [name for name, shape in shapes.items() if len(shape) > 2]
    inner = sum(sizes[name] for name in convolutions)
    outer = sum(sizes.values()) - inner
    left = density * (inner + outer) - 0.3 * outer
    linear = 0.3 if 0 < left <= inner else density
    falling = {name: float(n * n + n) for name, n in zip(convolutions, range(len(convolutions), 0, -1), strict=True)}
    share = (density * (inner + outer) - linear * outer) / max(1, inner)
    rising = _capped(falling, {name: sizes[name] for name in convolutions}, share)
    return {name: rising.get(name, linear) for name in shapes}


DENSITIES: Mapping[str, Callable[[Shapes, Sizes, float], dict[str, float]]] = {
    "er": lambda shapes, sizes, density: erdos_renyi(shapes, sizes, density, kernel=False),
    "erk": lambda shapes, sizes, density: erdos_renyi(shapes, sizes, density, kernel=True),
    "smart_ratio": smart_ratio,
}

SCOPES = ("global", "layer", "lamp", *DENSITIES)
ACROSS_LAYERS = ("global", "lamp")
"""The scopes under which scores decide how many pieces of each layer stay."""


def _capped(raw: Mapping[str, float], sizes: Sizes, density: float) -> dict[str, float]:
    """Scale raw densities to the total; layers that would exceed 1 become dense and the rest is solved again."""
    dense: set[str] = set()
    while True:
        left = density * sum(sizes.values()) - sum(sizes[name] for name in dense)
        rest = {name: value for name, value in raw.items() if name not in dense}
        weight = sum(value * sizes[name] for name, value in rest.items())
        scale = left / weight if weight else 0.0
        over = {name for name, value in rest.items() if value * scale > 1}
        if not over:
            return {name: 1.0 if name in dense else raw[name] * scale for name in raw}
        dense |= over


def kept_counts(sizes: Sizes, density: float, scope: str, shapes: Shapes) -> dict[str, int]:
    """Return how many pieces of each layer stay under a scope that does not rank across layers."""
    if scope == "layer":
        return {name: max(1, round(density * size)) for name, size in sizes.items()}
    return _exact_counts(DENSITIES[scope](shapes, sizes, density), sizes, round(density * sum(sizes.values())))


def _exact_counts(densities: Mapping[str, float], sizes: Sizes, total: int) -> dict[str, int]:
    """Round densities * sizes so that they add up to `total`; every layer keeps at least one piece."""
    wanted = {name: densities[name] * size for name, size in sizes.items()}
    counts = {name: min(max(1, int(value)), sizes[name]) for name, value in wanted.items()}
    while (missing := total - sum(counts.values())) > 0:
        name = max((n for n in counts if counts[n] < sizes[n]), key=lambda n: wanted[n] - counts[n])
        counts[name] += 1
    while missing < 0 and (rich := [name for name in counts if counts[name] > 1]):
        counts[max(rich, key=lambda n: counts[n] - wanted[n])] -= 1
        missing += 1
    return counts


def _keep_best_of_all(scores: Mapping[str, Tensor], density: float, at_least: int = 0) -> dict[str, Tensor]:
    flat = torch.cat([score.flatten() for score in scores.values()])
    chosen = _best(flat, max(at_least, round(density * flat.numel())))
    parts = torch.split(chosen, [score.numel() for score in scores.values()])
    return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}


def _best(scores: Tensor, count: int) -> Tensor:
    flat = scores.flatten()
    mask = torch.zeros(flat.shape, device=flat.device)
    mask[flat.topk(count).indices] = 1
    return (mask * (flat > -torch.inf)).view_as(scores)


def _spare_best(scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put the best living piece of each layer at infinity, so that no ranking empties a layer."""
    return {name: _spared(score) for name, score in scores.items()}


def _spared(score: Tensor) -> Tensor:
    best = torch.zeros(score.numel(), dtype=torch.bool, device=score.device)
    best[score.argmax()] = True
    return score.where(~best.view_as(score) | (score == -torch.inf), torch.inf)


def _lamp(score: Tensor) -> Tensor:
    flat = score.flatten()
    squares, order = flat.clamp_min(0).double().square().sort()
    tail = squares.flip(0).cumsum(0).flip(0).clamp_min(torch.finfo(torch.float64).tiny)
    scaled = torch.empty_like(squares).scatter_(0, order, squares / tail)
    return scaled.where(flat > -torch.inf, -torch.inf).view_as(score)

"""What masking pieces of weights can leave of a network, if nothing is known of their scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trainables.masking.allocation import ACROSS_LAYERS, Shapes, kept_counts
from trainables.structure.complexity import ParameterCosts, Size, SizeRange

Pieces = Mapping[str, Mapping[int, int]]
"""By layer, how many pieces there are of how many weights."""


@dataclass(frozen=True)
class _Kind:
    """Pieces of a layer that hold as many weights, and what one costs."""

    layer: str
    weights: int
    number: int
    macs: float


def range_of_pieces(
    pieces: Pieces, shapes: Shapes, costs: ParameterCosts, *, density: float, scope: str, spare: bool = False
) -> SizeRange:
    """Return what the network can cost if `allocation.keep_best` keeps as many of the `pieces` as it is told.

    Where the scope ranks across layers, either the cheapest or the dearest pieces of the network may stay.
    """
    kinds = [
        _Kind(layer, weights, number, float(costs.macs.get(layer, 0)) * weights)
        for layer, by_size in pieces.items()
        for weights, number in by_size.items()
    ]
    sizes = {layer: sum(by_size.values()) for layer, by_size in pieces.items()}
    if scope in ACROSS_LAYERS:
        return _range(kinds, round(density * sum(sizes.values())), costs, spare=spare)
    counts = kept_counts(sizes, density, scope, shapes)
    return _range_by_layer(kinds, counts, costs)


def _range(kinds: Sequence[_Kind], count: int, costs: ParameterCosts, *, spare: bool) -> SizeRange:
    def left(cost: Callable[[_Kind], float]) -> dict[str, int]:
        return _first(sorted(kinds, key=cost), count, spare=spare)

    cheap, dear = left(lambda kind: kind.macs), left(lambda kind: -kind.macs)
    few, many = left(lambda kind: kind.weights), left(lambda kind: -kind.weights)
    gone = sum(kind.weights * kind.number for kind in kinds) - sum(few.values())
    emptied = {name: max(0, costs.entries[name] - gone) for name in few}
    return SizeRange(
        Size(costs.size(cheap, _fewest_heads(emptied, costs)).macs, costs.size(few).params),
        Size(costs.size(dear).macs, costs.size(many).params),
    )


def _range_by_layer(kinds: Sequence[_Kind], counts: Mapping[str, int], costs: ParameterCosts) -> SizeRange:
    by_layer = {layer: [kind for kind in kinds if kind.layer == layer] for layer in counts}
    few: dict[str, int] = {}
    many: dict[str, int] = {}
    for layer, own in by_layer.items():
        rising = sorted(own, key=lambda kind: kind.weights)
        few |= _first(rising, counts[layer], spare=False)
        many |= _first(rising[::-1], counts[layer], spare=False)
    return SizeRange(costs.size(few, _fewest_heads(few, costs)), costs.size(many, _most_heads(many, costs)))


def _first(kinds: Sequence[_Kind], count: int, *, spare: bool) -> dict[str, int]:
    """Return how many weights of each layer stay if pieces stay in the order given; of each layer one, if `spare`."""
    left = dict.fromkeys((kind.layer for kind in kinds), 0)
    remaining, numbers = count, [kind.number for kind in kinds]
    for index, kind in enumerate(kinds):
        if spare and not left[kind.layer] and kind.number:
            left[kind.layer], numbers[index], remaining = kind.weights, kind.number - 1, remaining - 1
    for kind, number in zip(kinds, numbers, strict=True):
        taken = max(0, min(number, remaining))
        left[kind.layer] += taken * kind.weights
        remaining -= taken
    return left


def _fewest_heads(left: Mapping[str, int], costs: ParameterCosts) -> dict[str, int]:
    """Return how many heads are alive at least if so many weights stay: a head is dead without a weight for values."""
    return {
        name: max(0, heads.count - (costs.entries[name] - left[name]) // (costs.entries[name] // (3 * heads.count)))
        for name, heads in costs.heads.items()
        if name in left
    }


def _most_heads(left: Mapping[str, int], costs: ParameterCosts) -> dict[str, int]:
    return {name: min(heads.count, left[name]) for name, heads in costs.heads.items() if name in left}

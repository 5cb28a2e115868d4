"""How much a network needs the MACs of each group of its channels (Network Adjustment, Chen et al., CVPR 2020).

The FLOPs utilisation ratio (FUR) of a group of channels is by how much the loss on held-out images grows if some of its
channels are dropped at random, at rates with which every group loses equally many MACs.
"""

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Final

from trainables.bisection import bisected
from trainables.methods.channel_drop import ChannelDrop
from trainables.structure.widths import WidthCosts, Widths

MOST_DROPPED: Final = 0.5
"""The largest rate of a probe: beyond it little of a group is left. All probes drop less where one would need more."""


def drop_rates(costs: WidthCosts, widths: Widths, drop: float) -> dict[str, float]:
    """Return a rate for each group at which all of them lose equally many MACs on average.

    That is `drop` times the mean over the groups of a width times the derivative of the MACs by it, as the authors
    have it, or less where a group would have to lose more than MOST_DROPPED of its channels.
    """
    wanted = drop * sum(costs.slope(widths, name) for name in widths) / len(widths)
    loss = min(wanted, *(costs.dropped(widths, name, MOST_DROPPED) for name in widths))
    return {name: _rate(costs, widths, name, loss) for name in widths}


def _rate(costs: WidthCosts, widths: Widths, name: str, loss: float) -> float:
    return bisected(lambda rate: costs.dropped(widths, name, rate) <= loss, 0.0, MOST_DROPPED)[0]


def growths(
    drop: ChannelDrop, rates: Mapping[str, float], times: int, loss: Callable[[], float]
) -> dict[str, tuple[float, ...]]:
    """Drop each group's channels `times` times, no other group's, and return by how much `loss` grew each time."""
    drop.rates = {}
    whole, grown = loss(), {}
    for name, rate in rates.items():
        drop.rates = {name: rate}
        grown[name] = tuple(loss() - whole for _ in range(times))
    drop.rates = {}
    return grown


def utilisation(
    drop: ChannelDrop, rates: Mapping[str, float], times: int, loss: Callable[[], float]
) -> dict[str, float]:
    """Return the FLOPs utilisation ratio of each group, the mean of so many probes."""
    return {name: fmean(grown) for name, grown in growths(drop, rates, times, loss).items()}

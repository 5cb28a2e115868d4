"""How a network uses a group of its channels, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupUse:
    """How a network uses a group of channels, which is named after the first layer that writes it.

    `writers` are all layers that write it, `macs` the share of the network's MACs in layers that read or write it,
    `rate` the share of its channels that each probe drops. `fur` is its FLOPs utilisation ratio, the mean growth of the
    loss, and `error` the standard error of that mean.
    """

    name: str
    writers: tuple[str, ...]
    channels: int
    macs: float
    rate: float
    fur: float
    error: float

"""The layers of a finished trial's network: how wide and how dense they are, beside those it began with."""

from dataclasses import dataclass

from orchestrator.networks.loading import TrainedNetwork


@dataclass(frozen=True)
class Layer:
    """A convolution or a linear layer: its outputs (channels) and its weights before pruning, and what is left of them.

    `nonzero` counts weights of the final layer that are not zero. Of a layer that pruning has made or removed, the
    other numbers are 0.
    """

    name: str
    outputs_before: int
    outputs: int
    weights_before: int
    weights: int
    nonzero: int

    @property
    def density(self) -> float:
        """The share of the weights before pruning that is left and not zero; above 1 where a layer has grown."""
        return self.nonzero / max(1, self.weights_before)


def layers(network: TrainedNetwork) -> list[Layer]:
    """Return the layers of a network in its own order, then those that were removed."""
    from trainables.masking.masks import prunable_weights  # imports torch

    before, after = prunable_weights(network.dense), prunable_weights(network.model)
    return [
        Layer(
            name.removesuffix(".weight"),
            len(before[name]) if name in before else 0,
            len(after[name]) if name in after else 0,
            before[name].numel() if name in before else 0,
            after[name].numel() if name in after else 0,
            int(after[name].count_nonzero()) if name in after else 0,
        )
        for name in dict.fromkeys([*after, *before])
    ]

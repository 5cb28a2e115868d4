"""Layer collapse: layers with nothing left, and networks whose outputs no longer see their inputs.

A collapsed network is a valid measured point, at chance; the metrics and a warning say why it is there.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from trainables.masking.flow import flow_through
from trainables.masking.masks import prunable_weights
from trainables.structure.complexity import Shape

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Connectivity:
    """What is left of each prunable layer, as shares of the unpruned layer's weights, and whether inputs matter."""

    densities: Mapping[str, float]
    disconnected: bool

    @property
    def dead_layers(self) -> tuple[str, ...]:
        return tuple(name for name, density in self.densities.items() if density == 0)

    def warning(self) -> str | None:
        """Return what has collapsed in words, or None."""
        if not (self.dead_layers or self.disconnected):
            return None
        layers = f"no weight is left in {', '.join(self.dead_layers)}" if self.dead_layers else "no path is left"
        effect = "the outputs no longer depend on the inputs" if self.disconnected else "other paths still work"
        return f"layer collapse: {layers}; {effect}"

    def metrics(self) -> dict[str, float]:
        return {
            "dead_layers": len(self.dead_layers),
            "min_layer_density": min(self.densities.values(), default=1.0),
            "disconnected": self.disconnected,
        }


def connectivity(model: nn.Module, dense: nn.Module, input_shape: Shape) -> Connectivity:
    """Compare a pruned network with the `dense` one; layers that were physically removed are left out."""
    weights = prunable_weights(dense)
    densities = {
        name.removesuffix(".weight"): int(weight.count_nonzero()) / weights.get(name, weight).numel()
        for name, weight in prunable_weights(model).items()
    }
    _, from_input = flow_through(model, input_shape)
    return Connectivity(densities, disconnected=not from_input.any())


def warn_of_collapse(connected: Connectivity) -> None:
    """Log a warning that names the dead layers, if there are any."""
    if (warning := connected.warning()) is not None:
        LOG.warning("%s", warning)

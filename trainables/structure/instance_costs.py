"""The MACs of a network whose gates choose channels image by image."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.structure.complexity import ParameterCosts, Shape
from trainables.structure.instance_gates import NAME, Site


@dataclass(frozen=True, eq=False)
class InstanceCosts:
    """The MACs of each layer with all its channels, and which gates choose its outputs and its inputs.

    `macs` [R] are those of the layers on which a gate acts, float64; `outputs` and `inputs` [R] are numbers of gates,
    and the number of all gates where none acts on that side. `fixed` is what all other layers cost, the gates' among
    them; `without_gates` is the whole network with all channels and no gates.
    """

    fixed: int
    without_gates: int
    macs: Tensor
    outputs: Tensor
    inputs: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, model: nn.Module, input_shape: Shape, sites: tuple[Site, ...]) -> "InstanceCosts":
        """Count a network, which is run once; its gates, if it has them already, are counted."""
        costs = ParameterCosts.of(model, input_shape)
        written = {name: index for index, site in enumerate(sites) for name in (site.writer, *site.along)}
        read = {site.end: index for index, site in enumerate(sites) if site.roots}
        looks = {f"{NAME}.{index}.fc1": read[site.writer] for index, site in enumerate(sites) if site.writer in read}
        read |= looks  # a gate that sees zeros need not multiply by them
        gated = [name for name in dict.fromkeys([*written, *read]) if f"{name}.weight" in costs.macs]
        device = next(model.parameters()).device
        device = torch.device("cpu") if device.type == "meta" else device  # costs are numbers, whatever they are of
        macs = [int(costs.macs[f"{name}.weight"] * costs.entries[f"{name}.weight"]) for name in gated]
        whole = costs.size({}).macs
        own = (name for name in costs.macs if name.startswith(f"{NAME}."))
        return cls(
            fixed=whole - sum(macs),
            without_gates=whole - int(sum(costs.macs[name] * costs.entries[name] for name in own)),
            macs=torch.tensor(macs, dtype=torch.float64, device=device),
            outputs=torch.tensor([written.get(name, len(sites)) for name in gated], device=device),
            inputs=torch.tensor([read.get(name, len(sites)) for name in gated], device=device),
            sizes=tuple(site.size for site in sites),
        )

    def __call__(self, shares: Tensor) -> Tensor:
        """Return the MACs for each image, float64 [B], if its gates let these shares pass: [B, gates]."""
        padded = torch.cat([shares.to(self.macs), self.macs.new_ones(len(shares), 1)], 1)
        return self.fixed + (padded[:, self.outputs] * padded[:, self.inputs]) @ self.macs

    def at_rate(self, rate: float) -> float:
        """Return the MACs if every gate lets `kept_of` its channels pass."""
        shares = torch.tensor([[kept_of(rate, size) / size for size in self.sizes]], dtype=torch.float64)
        return float(self(shares))


def kept_of(rate: float, size: int) -> int:
    """Return how many of `size` channels a keep rate leaves: the share, rounded up, at least one."""
    return max(1, -int(-(rate * size - 1e-9) // 1))  # the share may lie above a whole number by rounding alone

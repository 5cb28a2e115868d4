"""Gates that look at each image and let pass only the channels that it needs; they stay a part of the network.

Tang et al. 2021, Manifold Regularized Dynamic Network Pruning, CVPR, arXiv 2103.05861, section 3.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NAME: Final = "instance_gates"
"""The name of the gates among a network's modules."""

CEILING: Final = 1000.0
"""What a gate's values cannot exceed where its site does not say, as in the authors' code and in earlier versions."""


@dataclass(frozen=True)
class Site:
    """The `size` channels that the convolution `writer` writes, and a gate chooses by the `inputs` channels it reads.

    They are scaled where the layer `end` reads them, whose input i carries the channel ``roots[i]``, in rising order;
    without roots, where the module `end` gives them out. `along` are the modules with parameters between, which map
    each channel to itself. `hidden` is the width of the gate's hidden layer; its values cannot exceed `ceiling`.
    """

    writer: str
    end: str
    along: tuple[str, ...]
    roots: tuple[int, ...]
    inputs: int
    size: int
    hidden: int
    ceiling: float = CEILING

    def as_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it, and `of_state` reads."""
        return asdict(self)

    @property
    def one_to_one(self) -> bool:
        """Whether the layer that reads the channels has one input for each."""
        return len(self.roots) == self.size

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "Site":
        return cls(**{**state, "along": tuple(state["along"]), "roots": tuple(state["roots"])})


@dataclass(frozen=True)
class Activity:
    """What a gate did on a batch: its values [B, C] before the threshold, and the means [B, C] of what it scales."""

    gates: Tensor
    features: Tensor


class InstanceGate(nn.Module):
    """Scales channels by a = ReLU(W2 ReLU(W1 means) + b), image by image, and by 0 where a is below the threshold.

    It begins with W2 = 0 and b = 1, so that it changes nothing: with a random W2, as the authors have it, gates grow
    with the residual stream that they scale, to outputs of 1e33 in a ResNet-20 that is not trained. It acts by hooks on
    the modules of its site. While `record` is a list, each batch adds its activity.
    """

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.site = site
        self.fc1 = nn.Linear(site.inputs, site.hidden, bias=False)
        self.fc2 = nn.Linear(site.hidden, site.size)
        self.register_buffer("threshold", torch.zeros(()))
        self.threshold: Tensor
        self.record: list[Activity] | None = None
        self._gates: Tensor | None = None
        nn.init.kaiming_normal_(self.fc1.weight)
        nn.init.zeros_(self.fc2.weight)
        nn.init.ones_(self.fc2.bias)

    def forward(self, means: Tensor, columns: Tensor | None = None) -> Tensor:
        """Return the gate's values [B, C] before the threshold, from the means of the channels it sees.

        With `columns` the means are those of these channels, and those of all others are 0.
        """
        first = self.fc1.weight if columns is None else self.fc1.weight[:, columns]
        return F.relu(self.fc2(F.relu(F.linear(means, first)))).clamp(max=self.site.ceiling)

    def passing(self, gates: Tensor) -> Tensor:
        """Return the values with 0 where they are below the threshold."""
        return gates * (gates >= self.threshold)

    def hook(self, model: nn.Module) -> None:
        """Act on the modules of the site from now on."""
        model.get_submodule(self.site.writer).register_forward_pre_hook(self._look)
        end = model.get_submodule(self.site.end)
        if self.site.roots:
            end.register_forward_pre_hook(self._scale_read)
        else:
            end.register_forward_hook(self._scale_written)

    def _look(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        with torch.autocast(inputs[0].device.type, enabled=False):
            self._gates = self(channel_means(inputs[0]).to(self.fc1.weight.dtype))

    def _scale_read(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        x = inputs[0]
        if self.site.one_to_one:
            return x * _like(self._taken(x, None), x)
        roots = torch.tensor(self.site.roots, device=x.device)
        return x * _like(self._taken(x, roots)[:, roots], x)

    def _scale_written(self, _: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output * _like(self._taken(output, None), output)

    def _taken(self, x: Tensor, roots: Tensor | None) -> Tensor:
        """Return the factors [B, C] for what is scaled here, and forget them: copies of the network hold none."""
        gates, self._gates = self._gates, None
        if gates is None:
            raise AssertionError(f"{self.site.end} ran before {self.site.writer}")
        if self.record is not None:
            means = channel_means(x).to(gates.dtype)
            self.record.append(Activity(gates, means if roots is None else _by_root(means, roots, self.site.size)))
        return self.passing(gates)


class InstanceGates(nn.ModuleList):
    """All gates of a network, in the order of computation. A network that is a sequence runs it last: it passes on."""

    def __init__(self, sites: Iterable[Site]) -> None:
        super().__init__(InstanceGate(site) for site in sites)

    def forward(self, x: Tensor) -> Tensor:
        return x

    @property
    def each(self) -> Iterator[InstanceGate]:
        """The gates."""
        return (gate for gate in self if isinstance(gate, InstanceGate))

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where they act."""
        return tuple(gate.site for gate in self.each)

    def watch(self) -> None:
        """Record what the gates do, from now until `activities` is called."""
        for gate in self.each:
            gate.record = []

    def activities(self) -> list[Activity]:
        """Return what each gate did on the one batch since `watch`."""
        seen = [gate.record or [] for gate in self.each]
        for gate in self.each:
            gate.record = None
        return [activity for (activity,) in seen]

    def shares(self, activities: Iterable[Activity]) -> Tensor:
        """Return which share of its channels each gate lets pass, for each image: [B, gates]."""
        pairs = zip(self.each, activities, strict=True)
        return torch.stack([(gate.passing(one.gates) > 0).double().mean(1) for gate, one in pairs], 1)


def attach_gates(model: nn.Module, sites: Iterable[Site]) -> InstanceGates:
    """Give a network gates at these sites, drawn from torch's random state; they change nothing at first."""
    like = next(model.parameters())
    gates = InstanceGates(sites).to(like.device, like.dtype)
    model.add_module(NAME, gates)
    for gate in gates.each:
        gate.hook(model)
    return gates


def gates_of(model: nn.Module) -> InstanceGates | None:
    """Return the gates of a network, if it has any."""
    gates = getattr(model, NAME, None)
    return gates if isinstance(gates, InstanceGates) else None


def channel_means(x: Tensor) -> Tensor:
    """Return the means of the channels of x [B, C, H, W], or x [B, C] itself."""
    return x.flatten(2).mean(2) if x.dim() == 4 else x


def _like(factors: Tensor, x: Tensor) -> Tensor:
    return factors.to(x.dtype).reshape(*factors.shape, *[1] * (x.dim() - 2))


def _by_root(means: Tensor, roots: Tensor, size: int) -> Tensor:
    """Return the means, over the inputs that carry the same channel, of values [B, inputs]: [B, size]."""
    sums = means.new_zeros(len(means), size).index_add(1, roots, means)
    return sums / torch.bincount(roots, minlength=size)

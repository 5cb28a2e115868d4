"""The shape of the network that a trial starts from, where an earlier removal has made it smaller."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.models import weight_files
from trainables.models.torch_attention import with_own_names
from trainables.models.weight_files import Remainder
from trainables.models.weights import KEY, is_file
from trainables.spec import ModelSpec
from trainables.structure.blocks import drop_blocks
from trainables.structure.removal import reshape


@dataclass(frozen=True)
class Start:
    """A network that a file of weights describes: the shapes of its tensors, with the integers among them, and more.

    `source` is what errors name.
    """

    outline: Mapping[str, Tensor]
    left: Remainder
    source: str

    def as_state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it, and `of_state` reads."""
        return {"outline": dict(self.outline), "left": asdict(self.left), "source": self.source}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        return cls(state["outline"], Remainder(**state["left"]), state["source"])

    @property
    def dropped_blocks(self) -> tuple[str, ...]:
        """The residual blocks that are gone."""
        return self.left.dropped_blocks or ()

    def shape(self, model: nn.Module, classes: int) -> bool:
        """Give the dense `model`, in place, this shape, with its own numbers; return whether it was larger.

        A head keeps its number of `classes`. Raises InvalidValue if no removal makes such a network of `model`.
        """
        dense = _size(model)
        try:
            drop_blocks(model, self.dropped_blocks)
            outline = with_own_names(model, self.outline)
            weight_files.require_names(model.state_dict(), outline, self.source)
            reshape(model, self._with_head(model, outline, classes))
        except InvalidValue as refused:
            again = "" if self.left.dropped_blocks is not None else "; if it lost residual blocks, export it again"
            raise InvalidValue(KEY, self.source, f"{refused.allowed}{again}") from refused
        except (ValueError, InfeasibleTrial) as error:
            raise InvalidValue(KEY, self.source, f"does not belong to this network: {error}") from error
        return _size(model) < dense

    def _with_head(self, model: nn.Module, outline: Mapping[str, Tensor], classes: int) -> Mapping[str, Tensor]:
        """Return an outline with a head of so many classes, which `weight_files.adopt` leaves untrained."""
        if self.left.classes in (None, classes):
            return outline
        own = {
            f"{layer}.{name}"
            for layer, module in model.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.shape[0] == classes
            for name, _ in module.named_parameters(recurse=False)
        }
        heads = {
            name: torch.empty(classes, *tensor.shape[1:], device="meta")
            for name, tensor in outline.items()
            if name in own and tensor.shape[0] == self.left.classes
        }
        return {**outline, **heads}


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def start_of(model: ModelSpec) -> Start | None:
    """Return the shape of the network whose weights a spec names; None if it is the dense one's, as far as is known.

    Raises InvalidValue for a file that cannot be read.
    """
    if model.weights is None or not is_file(model.weights):
        return None
    path = Path(model.weights)
    left = weight_files.remainder(path)
    return None if left is None else outlined(weight_files.read(path), left, model.weights)


def outlined(state: Mapping[str, Tensor], left: Remainder, source: str) -> Start:
    """Return the start that weights describe, without their memory."""
    return Start({n: t.to("meta") if t.is_floating_point() else t for n, t in state.items()}, left, source)

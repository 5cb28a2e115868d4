"""A small causal transformer over the characters of a text (Radford et al. 2018, GPT), whose heads can be removed."""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from trainables.errors import InvalidValue
from trainables.models.transformer import encoder


class Characters(nn.Module):
    """Embeds blocks [N, 1, 1, T] of numbers of characters, each with its learned position: [N, T, width].

    Numbers come as floats, like pixels; what is none, as in probes of random numbers, is taken for the nearest.
    """

    def __init__(self, characters: int, length: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.positions = nn.Parameter(torch.randn(length, width) * SMALL)
        nn.init.normal_(self.embedding.weight, std=SMALL)

    def forward(self, blocks: Tensor) -> Tensor:
        numbers = blocks.flatten(1).round().clamp(0, self.embedding.num_embeddings - 1).long()
        result: Tensor = self.embedding(numbers) + self.positions
        return result


class Last(nn.Module):
    """Moves the characters' logits before the positions: [N, T, characters] to [N, characters, T]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


SMALL = 0.02
"""The standard deviation of fresh embeddings, as in GPT."""


def build(
    classes: int, input_shape: tuple[int, int, int], width: int = 64, depth: int = 2, heads: int = 4
) -> nn.Module:
    """Build the network, whose logits at each position depend on no later character.

    Raises InvalidValue for options that do not fit each other, and for data that are no text.
    """
    _check(input_shape, width, depth, heads)
    return nn.Sequential(
        OrderedDict(
            characters=Characters(classes, input_shape[2], width),
            encoder=encoder(width, depth, heads, causal=True),
            head=nn.Linear(width, classes),
            last=Last(),
        )
    )


def _check(input_shape: tuple[int, int, int], width: int, depth: int, heads: int) -> None:
    if input_shape[:2] != (1, 1):
        allowed = f"reads text, as data: {{name: text}} gives it, and these data have the shape {input_shape}"
        raise InvalidValue("name", "char_transformer", allowed)
    for name, value in (("width", width), ("depth", depth), ("heads", heads)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidValue(f"options.{name}", value, "must be a whole number of at least 1, for char_transformer")
    if width % heads:
        raise InvalidValue("options.width", width, f"must be a multiple of the {heads} heads")

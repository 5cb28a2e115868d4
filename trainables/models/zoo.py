"""torchvision's classification networks, for images with any number of channels."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from trainables.errors import InvalidValue
from trainables.meta import meta_twin
from trainables.models import PREFIX
from trainables.models.limits import refuse_unknown
from trainables.models.torch_attention import TorchAttention
from trainables.vision import torchvision

AUXILIARY: Final = ("googlenet", "inception_v3")
"""The networks with classifiers beside the main one, which are left out."""


def names() -> list[str]:
    """Return the prefixed names of torchvision's classification networks."""
    return [PREFIX + name for name in torchvision.models.list_models(module=torchvision.models)]


def build(classes: int, input_shape: tuple[int, int, int], name: str, **chosen: Any) -> nn.Module:
    """Build the untrained network of that unprefixed name; raises InvalidValue when it cannot take such images."""
    try:
        model = _construct(name, classes, input_shape, chosen)
        with torch.no_grad():
            meta_twin(model)(torch.empty(1, *input_shape, device="meta"))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        refuse_unknown(PREFIX + name, error, chosen)
        reason = str(error).partition("\n")[0]
        allowed = f"cannot take images of shape {input_shape} ({reason}); most of torchvision's are made for 3x224x224"
        raise InvalidValue("name", PREFIX + name, allowed) from error
    return model


def has_weights(name: str) -> bool:
    """Return whether torchvision offers trained weights for the network of that unprefixed name."""
    return len(torchvision.models.get_model_weights(name)) > 0


def pretrained(name: str, input_shape: tuple[int, int, int], **options: Any) -> nn.Module:
    """Return the network with torchvision's default weights, for three channels and its own classes; may download."""
    sized = {} if name in AUXILIARY else _options(name, *input_shape[1:])
    model: nn.Module = torchvision.models.get_model(name, weights="DEFAULT", progress=False, **{**sized, **options})
    if name in AUXILIARY:
        for auxiliary in [child for child, _ in model.named_children() if child.lower().startswith("aux")]:
            delattr(model, auxiliary)
    return model


def _construct(name: str, classes: int, input_shape: tuple[int, int, int], chosen: Mapping[str, Any]) -> nn.Module:
    channels, height, width = input_shape
    options = {**_options(name, height, width), **chosen}
    model: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes, **options)
    if channels != 3:
        _adapt_stem(model, channels)
    let_heads_go(model)
    return model


def let_heads_go(model: nn.Module) -> None:
    """Give the layers of a vision transformer attention that computes the same, and from which heads can be removed."""
    for layer in model.modules():
        if isinstance(layer, torchvision.models.vision_transformer.EncoderBlock):
            layer.self_attention = TorchAttention(layer.self_attention)


def _options(name: str, height: int, width: int) -> Mapping[str, Any]:
    """Return the options that a family's constructor needs: the image size, or to return nothing but logits."""
    if name in AUXILIARY:
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        return {"image_size": height}
    return {"input_size": (height, width)} if name.startswith("maxvit_") else {}


def _adapt_stem(model: nn.Module, channels: int) -> None:
    """Give the first convolution as many input channels as the images have, by repeating its drawn weights."""
    stem = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    repeated = torch.arange(channels) % stem.in_channels
    stem.weight = nn.Parameter(stem.weight.detach()[:, repeated])
    stem.in_channels = channels

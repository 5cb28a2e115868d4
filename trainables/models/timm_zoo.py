"""timm's networks, where timm is installed, for images with any number of channels."""

from importlib import import_module
from typing import Any

from torch import nn

from trainables.errors import InvalidValue
from trainables.models import TIMM
from trainables.models.limits import refuse_unknown


def names() -> list[str]:
    """Return the prefixed names of timm's networks; raises InvalidValue where timm is not installed."""
    return [TIMM + name for name in _timm().list_models()]


def build(classes: int, input_shape: tuple[int, int, int], name: str, **options: Any) -> nn.Module:
    """Build the untrained network of that unprefixed name; raises InvalidValue when it cannot take such images."""
    from trainables.models.reference import check_output

    channels, height, width = input_shape
    timm = _timm()
    sized = {"img_size": (height, width)} if _is_sized(timm, name) else {}
    try:
        model: nn.Module = timm.create_model(name, num_classes=classes, in_chans=channels, **{**sized, **options})
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        refuse_unknown(TIMM + name, error, options)
        reason = str(error).partition("\n")[0]
        raise InvalidValue(
            "name", TIMM + name, f"cannot be built for images of shape {input_shape}: {reason}"
        ) from error
    check_output(TIMM + name, model, classes, input_shape)
    return model


def has_weights(name: str) -> bool:
    """Return whether timm offers trained weights for the network of that unprefixed name."""
    return bool(_timm().is_model_pretrained(name))


def pretrained(name: str, input_shape: tuple[int, int, int], **options: Any) -> nn.Module:
    """Return the network with timm's weights, for three channels and its own classes; may download."""
    timm = _timm()
    sized = {"img_size": input_shape[1:]} if _is_sized(timm, name) else {}
    model: nn.Module = timm.create_model(name, pretrained=True, **{**sized, **options})
    return model


def _is_sized(timm: Any, name: str) -> bool:
    """Return whether a network is built for one size of images: its positions are embedded."""
    return bool(timm.get_pretrained_cfg(name).fixed_input_size)


def _timm() -> Any:
    import_module("trainables.vision")  # before timm, which imports torchvision, which may need help
    try:
        import timm
    except ImportError as missing:
        allowed = f"needs timm, which cannot be imported ({missing}): pip install 'espalier[timm]'"
        raise InvalidValue("name", TIMM + "...", allowed) from None
    return timm

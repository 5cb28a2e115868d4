"""Which images and options a network can take."""

import re
from collections.abc import Mapping, Sequence

from trainables.errors import InvalidValue


def require_size(name: str, input_shape: tuple[int, int, int], smallest: int) -> None:
    """Raise InvalidValue unless both sides of the images have at least `smallest` pixels."""
    _, height, width = input_shape
    if min(height, width) < smallest:
        needs = f"needs images of at least {smallest}x{smallest} pixels, and these have {height}x{width}"
        raise InvalidValue("name", name, f"{needs}; digits_cnn, mlp, mobilenet_v2 and the resnets take any size")


def refuse_unknown(name: str, error: Exception, options: Mapping[str, object]) -> None:
    """Raise InvalidValue, keyed by the option, if a library's error says that it does not know one of these options."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown is not None and unknown[1] in options:
        option = unknown[1]
        raise InvalidValue(f"options.{option}", options[option], f"is no option of {name}; leave it out") from error


def check_widths(name: str, widths: Sequence[int], count: int | None = None) -> list[int]:
    """Return the widths of a network's layers; raises InvalidValue unless they are `count` positive whole numbers."""
    expected = "a list of" if count is None else str(count)
    if isinstance(widths, str | int | float) or count not in (None, len(widths)) or not all(map(_is_width, widths)):
        raise InvalidValue("options.widths", widths, f"must be {expected} whole numbers of at least 1, for {name}")
    return list(widths)


def scaled(name: str, width: float, channels: Sequence[int]) -> list[int]:
    """Return numbers of channels times `width`, at least one each; raises InvalidValue for a width of 0 or less."""
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width <= 16:
        raise InvalidValue("options.width", width, f"must be a factor above 0 and at most 16, for {name}")
    return [max(1, round(width * count)) for count in channels]


def _is_width(width: object) -> bool:
    return isinstance(width, int) and not isinstance(width, bool) and width >= 1

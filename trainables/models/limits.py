"""Which images a network can take."""

from trainables.errors import InvalidValue


def require_size(name: str, input_shape: tuple[int, int, int], smallest: int) -> None:
    """Raise InvalidValue unless both sides of the images have at least `smallest` pixels."""
    _, height, width = input_shape
    if min(height, width) < smallest:
        needs = f"needs images of at least {smallest}x{smallest} pixels, and these have {height}x{width}"
        raise InvalidValue("name", name, f"{needs}; digits_cnn, mlp, mobilenet_v2 and the resnets take any size")

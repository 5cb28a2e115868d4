"""VGG-16 with batch norm for small images: Simonyan & Zisserman 2014, arXiv 1409.1556."""

from collections.abc import Iterator, Sequence

from torch import nn

from trainables.models.limits import require_size, scaled

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
SMALLEST = 2 ** (len(STAGES) - 1)


def build(classes: int, input_shape: tuple[int, int, int], width: float = 1.0) -> nn.Module:
    """Build the thirteen convolutions, `width` times as wide, global pooling and one linear head.

    The pooling after the last stage is the global one, so that 28x28 images pass; convolutions have no bias, since
    batch norm follows. Raises InvalidValue for images under 16x16.
    """
    require_size("vgg16_bn", input_shape, SMALLEST)
    model = nn.Sequential()
    stages = [scaled("vgg16_bn", width, stage) for stage in STAGES]
    model.add_module("features", nn.Sequential(*_features(input_shape[0], stages)))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(stages[-1][-1], classes))
    return model.apply(_initialize)


def _features(channels: int, stages: Sequence[Sequence[int]]) -> Iterator[nn.Module]:
    for stage, widths in enumerate(stages):
        if stage > 0:
            yield nn.MaxPool2d(2)
        for width in widths:
            yield from (nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
            channels = width


def _initialize(module: nn.Module) -> None:
    """Draw weights as He et al. 2015, arXiv 1502.01852."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

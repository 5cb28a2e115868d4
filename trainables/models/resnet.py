"""Residual networks for small images: He et al. 2015, arXiv 1512.03385, section 4.2."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from trainables.models.limits import scaled
from trainables.models.shortcut import Shortcut

WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters (option A)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        changes_shape = stride != 1 or in_channels != out_channels
        self.shortcut = Shortcut(in_channels, out_channels, stride) if changes_shape else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(branch + self.shortcut(x))


class ResNet(nn.Module):
    """A stem, three stages of `blocks` residual blocks each at strides 1, 2, 2, global pooling and a linear head."""

    def __init__(self, blocks: int, classes: int, channels: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        stem, middle, last = widths
        self.conv1 = nn.Conv2d(channels, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = _stage(blocks, stem, stem, stride=1)
        self.layer2 = _stage(blocks, stem, middle, stride=2)
        self.layer3 = _stage(blocks, middle, last, stride=2)
        self.fc = nn.Linear(last, classes)
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def _stage(blocks: int, in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    first = BasicBlock(in_channels, out_channels, stride)
    return nn.Sequential(first, *(BasicBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)))


def _initialize(module: nn.Module) -> None:
    """Draw weights as He et al. 2015, arXiv 1502.01852."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)


def build(classes: int, input_shape: tuple[int, int, int], depth: int, width: float = 1.0) -> nn.Module:
    """Build the network of `depth` = 6 n + 2 layers, `width` times as wide, for images of any size."""
    widths = scaled(f"resnet{depth}", width, WIDTHS)
    return ResNet((depth - 2) // 6, classes, channels=input_shape[0], widths=widths)

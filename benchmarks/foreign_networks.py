"""Networks that espalier does not contain, with half of all their channels removed: what is left, and is it the same?

    python benchmarks/foreign_networks.py [NAME ...]

Each is built as a study builds it, its batch norms are given random statistics, a random half of the channels of each
group is removed, and the outputs are compared with those of the network in which the same channels are masked. Needs
timm for those of timm.
"""

import copy
import sys

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables import models
from trainables.errors import EspalierError
from trainables.structure.complexity import measure
from trainables.structure.removable import removable_groups
from trainables.structure.removal import disagreement, mask, plan_removal, remove

NETWORKS = {
    "torchvision/resnext50_32x4d": "grouped",
    "torchvision/regnet_y_400mf": "grouped, squeeze-excite",
    "torchvision/mobilenet_v3_small": "depthwise, squeeze-excite",
    "torchvision/mnasnet0_5": "depthwise",
    "torchvision/densenet121": "dense",
    "torchvision/vit_b_32": "attention",
    "torchvision/swin_t": "windowed attention",
    "torchvision/shufflenet_v2_x0_5": "shuffled halves",
    "torchvision/convnext_tiny": "depthwise, layer norm",
    "timm/resnet26d": "deep stem, pooled shortcuts",
    "timm/seresnet33ts": "squeeze-excite",
    "timm/ghostnet_050": "cheap copies",
    "timm/vit_tiny_patch16_224": "attention",
    "timm/mixer_s32_224": "perceptrons over patches",
    "timm/dla34": "aggregation",
    "timm/hrnet_w18_small": "parallel resolutions",
}
"""Each with what is particular about it."""


def shape_of(name: str) -> tuple[int, int, int]:
    side = 224 if "224" in name or "vit" in name else 64
    return 3, side, side


def halved(name: str) -> str:
    """Return, as the rest of a row, what half of a network's channels leave of it, or why none can go."""
    torch.manual_seed(0)
    shape = shape_of(name)
    try:
        model = _lively(models.build(name, classes=10, input_shape=shape))
        groups = removable_groups(model, shape)
    except EspalierError as refused:
        return f"refused: {refused}"
    keep = {group.name: torch.randperm(group.size) < (group.size + 1) // 2 for group in groups}
    plan = plan_removal(groups, keep)
    masked, smaller = copy.deepcopy(model), copy.deepcopy(model)
    mask(masked, plan)
    remove(smaller, plan)
    dense, left = measure(model, shape), measure(smaller, shape)
    difference = disagreement(masked, smaller, shape, generator=torch.Generator().manual_seed(0), batch=2)
    shares = f"{left.macs / dense.macs:.1%} | {left.params / dense.params:.1%}"
    return f"{len(groups)} | {shares} | {difference:.0e}"


def _lively(model: nn.Module) -> nn.Module:
    """Give every batch norm statistics, scales and shifts of its own: fresh ones would hide mistakes."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    return model


def main() -> None:
    print("| network | particular | groups | MACs left | parameters left | largest difference |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or NETWORKS:
        print(f"| {name} | {NETWORKS.get(name, '')} | {halved(name)} |", flush=True)


if __name__ == "__main__":
    main()

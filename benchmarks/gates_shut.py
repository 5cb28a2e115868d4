"""What is left of networks with every gate shut, by where gates are placed: the least that a budget can ask for.

No network is trained. python -m benchmarks.gates_shut [NETWORK ...]
"""

import argparse
from collections.abc import Sequence

import torch
from torch import nn

from trainables import models
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.pairs import filled
from trainables.gates.rounding import Rounding
from trainables.gates.structures import find_structures
from trainables.recipes.gating import PLACEMENTS
from trainables.structure.channels import ChannelGroup
from trainables.structure.removable import removable_bundles, removable_groups

NETWORKS = (
    "torchvision/mobilenet_v2",
    "torchvision/mobilenet_v3_small",
    "torchvision/densenet121",
    "torchvision/resnext50_32x4d",
    "torchvision/efficientnet_b0",
    "torchvision/convnext_tiny",
    "torchvision/vit_b_16",
)


def left(model: nn.Module, groups: tuple[ChannelGroup, ...], shape: tuple[int, int, int], placement: str) -> float:
    """Return the share of the MACs that is left with every gate shut but those that a layer needs."""
    structures = find_structures(model, groups, placement)
    sizes = structures.units, len(structures.branches)
    expected = ExpectedComplexity.of(model, shape, structures)
    kept = Rounding(structures).at_half(*filled(sizes, 0.0, 0.0))
    least, whole = (expected(*each)[0] for each in ((kept[0].double(), kept[1].double()), filled(sizes, 1.0, 1.0)))
    return float(least / whole)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table of shares for each network, as soon as they are known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--side", type=int, default=224, help="of the images, in pixels")
    options = parser.parse_args(arguments)
    print(f"| network | {' | '.join(PLACEMENTS)} |\n| --- |{' --- |' * len(PLACEMENTS)}", flush=True)
    for name in options.networks:
        shape = (3, options.side, options.side)
        with torch.device("meta"):
            model = models.build(name, classes=1000, input_shape=shape)
        groups = (*removable_groups(model, shape), *removable_bundles(model, shape))
        shares = [f"{left(model, groups, shape, placement):.3f}" for placement in PLACEMENTS]
        print(f"| {name.rpartition('/')[2]} | {' | '.join(shares)} |", flush=True)


if __name__ == "__main__":
    main()

"""How much of the MACs that pruning saves an exported ResNet-20 saves in time: ``python benchmarks/onnx_latency.py``.

Half of the MACs go with filters inside residual blocks, the ones with the smallest L1 norm. Once the widths that stay
are multiples of 8, once they are not: engines compute a width about as slowly as the next multiple.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from trainables import models
from trainables.export import export
from trainables.export.latency import Latency, latency
from trainables.structure.channels import find_groups
from trainables.structure.complexity import measure
from trainables.structure.removal import plan_removal, remove

SHAPE = (3, 32, 32)
PROMISED = 0.6
"""The share of the saving in MACs that must be saved in time, where widths are multiples of 8."""


def pruned(width: float, multiple: int, network: str = "resnet20") -> nn.Module:
    """Return a ResNet for CIFAR-10 whose blocks keep that share of their inner filters, rounded to a multiple."""
    model = dense(network)
    groups = [group for group in find_groups(model, SHAPE) if group.name.startswith("layer") and "conv1" in group.name]
    keep = {}
    for group in groups:
        norms = model.get_parameter(f"{group.name}.weight").abs().sum((1, 2, 3))
        count = max(multiple, multiple * round(width * group.size / multiple))
        keep[group.name] = norms >= norms.sort(descending=True).values[count - 1]
    remove(model, plan_removal(groups, keep))
    return model


def dense(network: str = "resnet20") -> nn.Module:
    torch.manual_seed(0)
    return models.build(network, classes=10, input_shape=SHAPE).eval()


def measured(model: nn.Module) -> Latency:
    left = measure(model, SHAPE).macs / measure(dense(), SHAPE).macs
    with TemporaryDirectory() as folder:
        written = export(model, SHAPE, Path(folder) / "pruned.onnx", "onnx")
        return latency(written, model, dense(), SHAPE, left)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    print("| widths | MACs left | dense, ms | pruned, ms | saved in time, per MACs saved |")
    print("| --- | --- | --- | --- | --- |")
    shares = {}
    for widths, model in {"multiples of 8": pruned(0.5, 8), "any": pruned(0.53, 1)}.items():
        took = measured(model)
        shares[widths] = (1 - took.exported / took.dense) / (1 - took.macs_left)
        times = f"{1e3 * took.dense:.3f} | {1e3 * took.exported:.3f} | {shares[widths]:.2f}"
        print(f"| {widths} | {took.macs_left:.2f} | {times} |")
    if shares["multiples of 8"] < PROMISED:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

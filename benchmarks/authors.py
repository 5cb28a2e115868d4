"""Gates, masks, losses and thresholds of three methods beside those of their authors' programs, on the same tensors.

    python -m benchmarks.authors FOLDER

FOLDER holds clones of xidongwu/AutoTrainOnce (f0ebc5b), polarizationpruning/PolarizationPruning (f19f3fd) and
huawei-noah/Pruning (5c8bc0d) of GitHub. Some of their files train when they are imported, or are not Python as of 3.7:
so what is compared is cut out of them by name and run alone. Printed is, for each, the largest difference over the
largest value of theirs, which is 0 for masks that are equal; above 1e-5 the call ends with 1. Both sides are given the
same random noise.
"""

import argparse
import math
import re
import sys
import typing
from collections.abc import Iterator
from contextlib import redirect_stdout
from enum import Enum
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.gates.controller import Controller, distance, hard_gates, soft_gates
from trainables.methods.group_envelope import lasso_factors
from trainables.methods.manifold import ease, gram_distance, keep_rate, threshold_for
from trainables.methods.polarization import polarization, valley
from trainables.structure.instance_gates import InstanceGate, Site
from trainables.structure.writers import Rows, Written

TOLERANCE = 1e-5
CASES = 100

Pair = tuple[str, Tensor, Tensor]
"""What is compared, ours, and theirs."""


def cut(file: Path, *names: str, **values: object) -> ModuleType:
    """Return a module of the named functions and classes of a file, which is not run as a whole, and of `values`."""
    text = file.read_text() if file.exists() else ""
    parts = [re.search(rf"^(?:def|class) {name}\b.*\n(?:(?:[ \t#].*)?\n)*", text, re.MULTILINE) for name in names]
    if missing := [name for name, part in zip(names, parts, strict=True) if part is None]:
        sys.exit(f"{file} has no {', '.join(missing)}; the folder needs clones at the commits that --help names")
    return run("\n".join(part.group() for part in parts if part), **values)


def lines(file: Path, first: str, count: int) -> str:
    """Return so many lines of a file from the one that begins with `first`, without their indentation."""
    text = [line.lstrip() for line in file.read_text().splitlines()]
    start = next(number for number, line in enumerate(text) if line.startswith(first))
    return "\n".join(text[start : start + count])


def run(source: str, **values: object) -> ModuleType:
    """Run a source with what these programs import and some values; return the module of all its names."""
    module = ModuleType("theirs")
    imported = {"torch": torch, "nn": nn, "F": F, "np": np, "math": math, "typing": typing, "Enum": Enum}
    module.__dict__.update(imported, **values)
    exec(source, module.__dict__)
    return module


def with_slope(values: Tensor, at: Tensor, weights: Tensor) -> Tensor:
    """Return values and the gradient, at `at`, of their weighted sum."""
    slope = torch.autograd.grad((values * weights).sum(), at)[0]
    return torch.cat([values.detach().flatten(), slope.flatten()])


def controller_gates(code: Path) -> Iterator[Pair]:
    file = code / "AutoTrainOnce/imgnet_models/hypernet.py"
    program = cut(file, "sample_gumbel", "gumbel_softmax_sample", "hard_concrete", "HyperStructure")
    sizes = [16, 24, 32]
    theirs = program.HyperStructure(structure=sizes, T=0.4, base=3, args=SimpleNamespace(model_name="resnet"))
    ours = Controller(sizes)
    ours.inputs.copy_(theirs.inputs.data)
    ours.recurrent.load_state_dict(theirs.Bi_GRU.state_dict())
    ours.norm.load_state_dict(theirs.bn1.state_dict())
    ours.heads.load_state_dict(theirs.mh_fc.state_dict())
    noise = -torch.empty(sum(sizes)).exponential_(generator=torch.Generator().manual_seed(0)).log()
    program.__dict__["sample_gumbel"] = lambda _: noise
    soft = soft_gates(ours(), 3.0, 0.4, torch.Generator().manual_seed(0))
    yield "auto_train_once: soft gates", soft, theirs()
    gates, weights = torch.rand(200, requires_grad=True), torch.randn(200)
    mine, other = (with_slope(function(gates), gates, weights) for function in (hard_gates, program.hard_concrete))
    yield "auto_train_once: hard gates and slopes", mine, other


def budget_price(code: Path) -> Iterator[Pair]:
    program = cut(code / "AutoTrainOnce/utils.py", "Flops_constraint_resnet")
    theirs = program.Flops_constraint_resnet(0.4, [9, 9], [64, 64], [1, 1], [16, 16], [16, 16], w=4)
    theirs.get_flops = lambda share: share * theirs.t_flops
    for share in (0.05, 0.398, 0.4, 0.402, 0.9):
        at = torch.tensor(share, dtype=torch.float64, requires_grad=True)
        mine, other = (with_slope(price, at, at.detach()) for price in (8 * distance(at, 0.4), 2 * theirs(at)))
        yield f"auto_train_once: price of {share} for 0.4, and slope", mine, other


def projection(code: Path) -> Iterator[Pair]:
    """Compare what a step of strength 10 at a rate of 0.01 leaves of two layers by a mask."""
    folder, sizes = code / "AutoTrainOnce/imgnet_models", (12, 20)
    gate = cut(folder / "gate_function.py", "virtual_gate").virtual_gate
    program = cut(folder / "resnet_gate.py", "ResNet", virtual_gate=gate)
    layers = [(nn.Conv2d(8, size, 3, bias=False), nn.BatchNorm2d(size), nn.ReLU(), gate(size)) for size in sizes]
    chain = program.ResNet.__new__(program.ResNet)
    nn.Module.__init__(chain)
    chain.layers, chain.block_string = nn.Sequential(*(each for four in layers for each in four)), "BasicBlock"
    for _, norm, *_ in layers:
        nn.init.normal_(norm.bias)
    masks = [(torch.rand(size) > 0.5).float() for size in sizes]
    gone = torch.cat(masks).eq(0).sum()
    groups = [unit_rows(conv, norm) for conv, norm, *_ in layers]
    for group, mask in zip(groups, masks, strict=True):
        given_up = mask.eq(0)
        group.scale(lasso_factors(group.norms(), 10 * 0.01 * given_up.sum() / gone * given_up.double()))
    with torch.no_grad():
        chain.project_wegit(masks, 10, 0.01)
    for group, (conv, norm, *_) in zip(groups, layers, strict=True):
        yield (
            f"auto_train_once: {group.size} units, shrunk by a mask",
            values_of(group),
            values_of(unit_rows(conv, norm)),
        )


def unit_rows(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Written:
    """Return copies of what writes each channel."""
    every = torch.arange(len(conv.weight))
    parameters = (nn.Parameter(each.detach().clone()) for each in (conv.weight, norm.weight, norm.bias))
    return Written("", len(every), tuple(Rows(each, every, every, scales=False) for each in parameters))


def values_of(group: Written) -> Tensor:
    return torch.cat([part.parameter.detach().flatten() for part in group.parts])


def sparsity_penalty(code: Path) -> Iterator[Pair]:
    folder = code / "PolarizationPruning/cifar"
    kinds = cut(folder / "common.py", "LossType").LossType
    program = cut(folder / "main.py", "bn_sparsity", LossType=kinds)
    for t in (-1.0, 0.0, 1.2, 1.4):
        layers = [nn.BatchNorm2d(size) for size in (16, 32, 64)]
        for layer in layers:
            nn.init.uniform_(layer.weight)
        weights: list[Tensor] = [layer.weight for layer in layers]
        model = SimpleNamespace(get_sparse_layers=lambda layers=layers: layers)
        both = polarization(torch.cat(weights), t), program.bn_sparsity(model, kinds.POLARIZATION, 1.0, t, 1.0, False)
        mine, other = (torch.cat([one.detach()[None], *torch.autograd.grad(one, weights)]) for one in both)
        yield f"polarization: penalty at t = {t}, and slopes", mine, other


def valleys(code: Path) -> Iterator[Pair]:
    """Compare which scales are above the threshold, in heaps near 0 and elsewhere."""
    theirs = cut(code / "PolarizationPruning/cifar/models/common.py", "search_threshold").search_threshold
    drawn = [torch.cat([0.05 * torch.rand(200).square(), torch.rand(300).sqrt()]) for _ in range(CASES)]
    with redirect_stdout(StringIO()):
        above = [(scales > theirs(scales.numpy(), "grad")).float() for scales in drawn]
    mine = torch.stack([(scales > valley(scales, 1.0)).float() for scales in drawn])
    yield f"polarization: scales above the threshold, {CASES} cases", mine, torch.stack(above)


def image_gates(code: Path) -> Iterator[Pair]:
    program = cut(code / "Pruning/ManiDP/models/resnet_cifar.py", "MaskBlock", init=nn.init)
    for inputs, outputs in ((16, 32), (64, 128)):
        theirs = program.MaskBlock(inputs, outputs, SimpleNamespace(clamp_max=1000.0, squeeze_rate=2, thre_init=0.7))
        hidden = outputs // (2 if outputs >= 80 else 1)
        ours = InstanceGate(Site("writer", "end", (), (), inputs, outputs, hidden))
        ours.fc1.load_state_dict(theirs.fc1.state_dict())
        ours.fc2.load_state_dict(theirs.fc2.state_dict())
        ours.threshold.fill_(0.7)
        images = torch.randn(10, inputs, 8, 8)
        passed, _, before = theirs(images)
        gates = ours(images.mean((2, 3)))
        yield f"manifold_dynamic: gates of {outputs} channels", gates, before
        yield f"manifold_dynamic: gates of {outputs} that pass", ours.passing(gates), passed


def image_losses(code: Path) -> Iterator[Pair]:
    file = code / "Pruning/ManiDP/main.py"
    losses, mean = torch.rand(CASES).square(), torch.tensor(0.6)
    for gamma in (1.0, 2.0):
        given = {"loss_ce": losses, "train_los_pre": mean, "args": SimpleNamespace(thre_cls=0.5), "gamma": gamma}
        theirs = run(lines(file, "w1=", 3), **given)
        yield f"manifold_dynamic: ease of images, power {gamma:.0f}", ease(losses, mean, 0.5, gamma), theirs.w
    gates, features = torch.rand(20, 16, requires_grad=True), torch.rand(20, 16, 1, 1)
    distances = gram_distance(gates, features.flatten(1)), cut(file, "cal_similarity_loss").cal_similarity_loss
    mine, other = (with_slope(one, gates, torch.ones(1)) for one in (distances[0], distances[1](gates, features)))
    yield "manifold_dynamic: distance of likenesses, and slope", mine, other


def image_thresholds(code: Path) -> Iterator[Pair]:
    file, epochs = code / "Pruning/ManiDP/main.py", 40
    rate = cut(file, "adjust_remain_rate").adjust_remain_rate
    theirs = torch.tensor([rate(epoch, epochs, 0.6) for epoch in range(epochs)])
    mine = torch.tensor([keep_rate((epoch + 1) / epochs, 0.6) for epoch in range(epochs)])
    yield f"manifold_dynamic: keep rates of {epochs} epochs", mine, theirs
    means = [torch.rand(size) for size in (16, 32, 64)]
    for share in (0.35, 0.613, 0.987):
        found = run(lines(file, "threshold_list=", 2), remain_rate=share, mask_mean_list=means).threshold_list
        ours = torch.stack([threshold_for(each, share) for each in means])
        yield f"manifold_dynamic: thresholds that {share} reach", ours, torch.stack(found)


COMPARED = (
    controller_gates,
    budget_price,
    projection,
    sparsity_penalty,
    valleys,
    image_gates,
    image_losses,
    image_thresholds,
)


@torch.no_grad()
def difference(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds the three clones")
    code = parser.parse_args().folder
    torch.manual_seed(0)
    worst = 0.0
    for compare in COMPARED:
        with redirect_stdout(StringIO()):  # their constructors print
            pairs = list(compare(code))
        for name, ours, theirs in pairs:
            far = difference(ours, theirs)
            worst = max(worst, far)
            print(f"{far:.1e}  {name}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()

"""Images per second of our training loop against the ordinary PyTorch loop, ResNet-20 on CIFAR-10 shapes, on the CPU.

    python benchmarks/training.py [--root FOLDER_WITH_CIFAR10]

The ordinary loop is the one of the tutorials: a DataLoader over torchvision's transforms (RandomCrop(32, 4),
RandomHorizontalFlip, ToTensor, Normalize), float32, contiguous, SGD with its defaults. It gets the number of workers
that suits it best, and its clock starts when its workers are up and its first batches are there. Both loops take turns
in one process; medians are compared. Exit status 1 if ours is less than 1.8 times as fast.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from trainables import data, models
from trainables.data.augmentation import augmentation_for
from trainables.data.batches import Batches
from trainables.data.dataset import Split
from trainables.spec import DataSpec, TrainingSpec
from trainables.tasks.classification import CLASSIFICATION
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.precision import precision_for
from trainables.training.training import train_epoch
from trainables.vision import torchvision

REQUIRED = 1.8
BATCH = 128
WARMUP = 2
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

Loop = Callable[[], float]
"""Trains through the images once and returns images per second, the first batches left out."""


class Images(TorchDataset[tuple[Tensor, int]]):
    """Images as torchvision's CIFAR10 gives them: one PIL image at a time, transformed."""

    def __init__(self, split: Split) -> None:
        transforms = torchvision.transforms
        self._pixels = np.ascontiguousarray(split.images.permute(0, 2, 3, 1).numpy())
        self._labels = split.labels.tolist()
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(32, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._pixels[index])), self._labels[index]


def ordinary_loop(split: Split, workers: int) -> Loop:
    model = resnet20()
    loader = DataLoader(Images(split), batch_size=BATCH, shuffle=True, num_workers=workers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()

    def train(batches: Iterable[tuple[Tensor, Tensor]]) -> int:
        seen = 0
        for inputs, labels in batches:
            optimizer.zero_grad()
            criterion(model(inputs), labels).backward()
            optimizer.step()
            seen += len(labels)
        return seen

    def run() -> float:
        model.train()
        batches = iter(loader)
        train(islice(batches, WARMUP))
        begin = time.perf_counter()
        return train(batches) / (time.perf_counter() - begin)

    return run


def our_loop(split: Split, spec: TrainingSpec) -> Loop:
    layout = torch.channels_last if spec.channels_last else torch.contiguous_format
    model = resnet20()
    model.to(memory_format=layout)  # type: ignore[call-overload]  # torch's annotation leaves the argument out
    optimizer = optimizer_for(model, spec)
    batches = Batches(
        split,
        MEAN,
        STD,
        batch_size=BATCH,
        augment=augmentation_for(DataSpec(name="cifar10"), (3, 32, 32)),
        channels_last=spec.channels_last,
        device="cpu",
        generator=torch.Generator().manual_seed(0),
    )

    def run() -> float:
        result = train_epoch(
            model,
            batches,
            optimizer,
            lambda _: spec.lr,
            task=CLASSIFICATION,
            precision=precision_for(spec, "cpu"),
            companion=Companion(),
            skip=WARMUP,
        )
        return result.images / result.seconds

    return run


def resnet20() -> nn.Module:
    torch.manual_seed(0)
    return models.build("resnet20", classes=10, input_shape=(3, 32, 32))


def cifar_images(root: str | None, count: int) -> Split:
    """Return `count` training images of the real dataset, or random ones of its shape."""
    if root is not None:
        train = data.load(DataSpec(name="cifar10", root=root)).train
        return Split(train.images[:count], train.labels[:count])
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Split(pixels, torch.randint(0, 10, (count,), generator=generator))


def best_ordinary_loop(split: Split) -> Loop:
    loops = {workers: ordinary_loop(split, workers) for workers in (0, 1, 2)}
    rates = {workers: loop() for workers, loop in loops.items()}
    shown = ", ".join(f"{workers}: {rate:.0f}" for workers, rate in rates.items())
    best = max(rates, key=rates.__getitem__)
    print(f"ordinary loop by DataLoader workers, images/s   {shown}; taking {best}")
    return loops[best]


def machine() -> str:
    capabilities = torch.cpu.get_capabilities()
    bfloat16 = [name for name in ("amx_bf16", "avx512_bf16", "bf16") if capabilities.get(name, False)]
    return (
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, Python {platform.python_version()}, "
        f"{capabilities.get('cpu_name', platform.machine())}, {torch.get_num_threads()} threads, "
        f"bfloat16 instructions: {', '.join(bfloat16) or 'none'}, load average {os.getloadavg()[0]:.1f}"
    )


def main() -> int:
    arguments = _arguments()
    split = cifar_images(arguments.root, (arguments.batches + WARMUP) * BATCH)
    print(machine())
    print(f"ResNet-20, batches of {BATCH}, {'real' if arguments.root else 'synthetic'} CIFAR-10 images")
    loops = {
        "ordinary, float32": best_ordinary_loop(split),
        "ours, auto precision": our_loop(split, TrainingSpec()),
        "ours, float32": our_loop(split, TrainingSpec(precision="float32")),
    }
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        loop()
    for _ in range(arguments.rounds):
        for name, loop in loops.items():
            rates[name].append(loop())
    return _verdict(rates)


def _verdict(rates: dict[str, list[float]]) -> int:
    medians = {name: statistics.median(measured) for name, measured in rates.items()}
    ordinary = medians["ordinary, float32"]
    for name, measured in rates.items():
        spread = f"{min(measured):.0f} to {max(measured):.0f}"
        print(f"{name:22} {medians[name]:6.0f} images/s  ({spread})  {medians[name] / ordinary:.2f} x")
    ratio = medians["ours, auto precision"] / ordinary
    print(f"ratio {ratio:.2f}, required {REQUIRED}: {'met' if ratio >= REQUIRED else 'NOT MET'}")
    return 0 if ratio >= REQUIRED else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", help="folder that contains cifar-10-batches-py; synthetic images without")
    parser.add_argument("--rounds", type=int, default=5, help="alternations of the loops (default 5)")
    parser.add_argument("--batches", type=int, default=20, help="batches per round and loop (default 20)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

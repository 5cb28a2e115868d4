"""Images per second: streamed from a mapped file, held in memory, and from a DataLoader with torchvision's transforms.

Writes a folder of JPEGs, and measures an epoch of augmented, normalised batches each way, without a network. The
streamed copy is decoded once before, in the time that is printed.

    python -m benchmarks.streaming --images 20000 --side 128
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from trainables import data
from trainables.data.augmentation import augmentation_for
from trainables.data.batches import Batches
from trainables.data.dataset import Dataset, Split
from trainables.spec import DataSpec
from trainables.vision import torchvision

BATCH = 128


def write_folder(root: Path, images: int, side: int) -> None:
    """Write smooth random images, as JPEGs of about the size of photographs, in ten classes."""
    generator = np.random.default_rng(0)
    for number in range(images):
        folder = root / f"{number % 10}"
        folder.mkdir(exist_ok=True)
        coarse = Image.fromarray(generator.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:06}.jpg", quality=90)


def images_per_second(epoch: Callable[[], Iterable[tuple[torch.Tensor, torch.Tensor]]]) -> float:
    """Return the rate of one epoch, after another."""
    sum(len(labels) for _, labels in epoch())
    begin = time.perf_counter()
    count = sum(len(labels) for _, labels in epoch())
    return count / (time.perf_counter() - begin)


def batches(dataset: Dataset, split: Split, spec: DataSpec) -> Batches:
    """Return the batches that a trial would train on."""
    return Batches(
        split,
        dataset.mean,
        dataset.std,
        batch_size=BATCH,
        augment=augmentation_for(spec, dataset.input_shape),
        channels_last=False,
        device="cpu",
        generator=torch.Generator().manual_seed(0),
    )


def loader(root: Path, dataset: Dataset, padding: int) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """Return what one would write with torchvision for the same batches, with two workers."""
    transforms = torchvision.transforms
    side = dataset.input_shape[1]
    steps = [
        transforms.RandomCrop(side, padding=padding),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize(dataset.mean, dataset.std),
    ]
    folder = torchvision.datasets.ImageFolder(str(root), transforms.Compose(steps))
    train = torch.utils.data.Subset(folder, range(len(dataset.train)))
    return torch.utils.data.DataLoader(train, BATCH, shuffle=True, num_workers=2)


def main() -> None:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=128)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder, "images"), Path(folder, "cache")
        root.mkdir()
        write_folder(root, options.images, options.side)
        spec = DataSpec(name="folder", root=str(root))
        begin = time.perf_counter()
        dataset = data.load(spec, cache)
        print(f"decoded once in {time.perf_counter() - begin:.1f} s; memory {_own_memory()}")
        streamed = images_per_second(
            batches(dataset, replace(dataset.train, streams_to=torch.device("cpu")), spec).epoch
        )
        print(f"streamed  {streamed:8.0f} images/s; memory {_own_memory()}")
        held = Split(dataset.train.images.clone(), dataset.train.labels.clone())
        in_memory = images_per_second(batches(dataset, held, spec).epoch)
        print(f"in memory {in_memory:8.0f} images/s: streaming has {streamed / in_memory:.2f} of it")
        loading = loader(root, dataset, data.usual(spec, dataset.input_shape).padding)
        loaded = images_per_second(lambda: loading)
        print(f"loader    {loaded:8.0f} images/s: streaming has {streamed / loaded:.1f} times it")


def _own_memory() -> str:
    """Return the memory of this process now without pages of files, and the peak of all its pages."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    own = next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{own / 1024:.0f} MiB without mapped files (peak with them {peak / 1024:.0f} MiB)"


if __name__ == "__main__":
    main()

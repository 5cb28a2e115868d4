"""Whether corruptions are those of CIFAR-10-C, whether they hurt more with severity, and what they cost.

    python -m benchmarks.corruptions published --files FOLDER [--python PYTHON --definitions make_cifar_c.py]
    python -m benchmarks.corruptions losses --keep FOLDER [--files FOLDER] [--width 0.5 --subset 10000 --epochs 10]
    python -m benchmarks.corruptions cost

`published` prints mean and deviation of the pixels of `--images` test images under each kind and severity, and the root
mean square of the change, each divided by that of a folder like CIFAR-10-C, which holds the same images first. With
`--definitions`, the authors' script makes the folder before, in the environment of `--python`, which has
imagecorruptions (`benchmarks/cifar_c.py` says more); `--kinds` names some of the kinds. `losses` trains a ResNet-20,
which resumes from FOLDER, and prints its mean loss on `--images` test images for each kind and severity, and of each
step that does not raise it by two standard errors over images, by how much it does; with `--files`, on the first
images of a folder like CIFAR-10-C. `cost` evaluates a ResNet-20 on all nineteen corruptions at severity 3, generation
included, for one network and for four that share the images, against as many plain evaluations; the better of two turns
each. All take `--root`, the folder of CIFAR-10, which is downloaded without it. On the CPU, one thread.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables import checkpoint, data, models
from trainables.context import Report, SaveCheckpoint
from trainables.corruption.corruptions import corrupt
from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.data.dataset import Dataset, Split
from trainables.errors import EspalierError, InvalidValue
from trainables.evaluation import published
from trainables.evaluation.bench import Bench, evenly_spaced
from trainables.evaluation.distributions import Clean, Corrupted, Distribution, Sample
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.training.training import evaluate
from trainables.trial import run_trial

SEVERITY, TURNS, COST_IMAGES = 3, 2, 100
TOLERANCE, CERTAIN = 0.1, 2  # a share, and how many standard errors
MAKER = Path(__file__).with_name("cifar_c.py")


@dataclass(frozen=True)
class Likeness:
    """Ours as a share of theirs: mean and deviation of pixels, and the root mean square of what changed, `theirs`."""

    mean: float
    deviation: float
    change: float
    theirs: float

    @property
    def is_close(self) -> bool:
        return all(abs(share - 1) <= TOLERANCE for share in (self.mean, self.deviation, self.change))

    def __str__(self) -> str:
        return f"{self.mean:.3f} {self.deviation:.3f} {self.change:.3f}"


def made(python: Path, definitions: Path, kinds: Sequence[str], pixels: Tensor, folder: Path) -> None:
    """Have the authors' script corrupt images, uint8 [B, C, H, W], into a folder like CIFAR-10-C.

    Raises EspalierError where it cannot, having said why.
    """
    with tempfile.TemporaryDirectory() as name:
        images = Path(name, "images.npy")
        np.save(images, pixels.permute(0, 2, 3, 1).numpy())
        ended = subprocess.run([python, MAKER, definitions, images, folder, json.dumps(kinds)], check=False)
    if ended.returncode:
        raise EspalierError(f"{MAKER.name} has made no folder in the environment of {python}: see above")


def likeness(ours: Tensor, theirs: Tensor, clean: Tensor) -> Likeness:
    """Return how alike two corruptions of the same images are."""
    first, second, before = ours.double(), theirs.double(), clean.double()
    changes = [(one - before).square().mean().sqrt() for one in (first, second)]
    mean, deviation = float(first.mean() / second.mean()), float(first.std() / second.std())
    return Likeness(mean, deviation, change=float(changes[0] / changes[1]), theirs=float(changes[1]))


def require_images(dataset: Dataset, files: Path, kinds: Sequence[str], images: int) -> None:
    """Raise InvalidValue unless a folder holds so many images of the test split's size under each kind."""
    for kind in kinds:
        published.check(files, kind, 1, dataset.input_shape)
        held = min(len(dataset.test), len(published.read(files, kind, 1)))
        if not 1 <= images <= held:
            allowed = f"must be from 1 to {held}: there are no more in {files / kind}.npy at each severity"
            raise InvalidValue("--images", images, allowed)


def compared(dataset: Dataset, files: Path, kinds: Sequence[str], images: int) -> None:
    """Print how alike ours are to the files of a folder, by kind and severity, and which differ."""
    require_images(dataset, files, kinds, images)
    clean, numbers, apart, weaker = dataset.test.images[:images], torch.arange(images), list[str](), list[str]()
    print(f"{'kind':<18} mean, deviation and change of pixels, ours / theirs, at severities 1 to 5")
    for kind in kinds:
        row = [
            likeness(corrupt(clean, numbers, kind, level), published.read(files, kind, level).images[:images], clean)
            for level in SEVERITIES
        ]
        apart += [f"{kind} {level}" for level, one in zip(SEVERITIES, row, strict=True) if not one.is_close]
        weaker += [f"{kind} {level}" for level, steps in enumerate(pairwise(row), start=2) if not rises(*steps)]
        print(f"{kind:<18} {' | '.join(map(str, row))}", flush=True)
    print(f"theirs change pixels less than one severity below: {', '.join(weaker) or 'none'}")
    print(f"beyond {TOLERANCE:.0%}: {', '.join(apart) or 'none'}")


def rises(weaker: Likeness, stronger: Likeness) -> bool:
    """Return whether theirs change pixels more at the stronger severity."""
    return stronger.theirs > weaker.theirs


class Kept:
    """The context of a trial that keeps its last checkpoint in a folder, and resumes from it."""

    device, cache = "cpu", None

    def __init__(self, folder: Path) -> None:
        self.last, self._next = folder / "last", folder / "next"

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        shutil.rmtree(self._next, ignore_errors=True)
        self._next.mkdir(parents=True)
        save(self._next)
        shutil.rmtree(self.last, ignore_errors=True)
        self._next.rename(self.last)
        for name in ("test_accuracy", "test_nll"):
            if name in (report.metrics or {}):
                print(f"{name} {(report.metrics or {})[name]:.4f}", flush=True)

    def restore(self) -> Path | None:
        return self.last if self.last.is_dir() else None


def trained(spec: TrialSpec, dataset: Dataset, folder: Path) -> nn.Module:
    """Train the network of a trial, or what is left of it to train."""
    context = Kept(folder)
    run_trial(spec, context)
    signature = checkpoint.Signature(classes=dataset.classes, input_shape=dataset.input_shape)
    return checkpoint.load_network(context.last, spec.model, signature).eval()


def losses_of(network: nn.Module, dataset: Dataset, distribution: Distribution, images: int) -> Tensor:
    """Return a network's loss for each of so many test images, float64 [N]."""
    split = distribution.of(Sample(*evenly_spaced(dataset.test, images), seed=0))
    logits = evaluate(network, split, dataset.mean, dataset.std, keep_logits=True).logits
    assert logits is not None
    return F.cross_entropy(logits.double(), split.labels, reduction="none")


@dataclass(frozen=True)
class Published:
    """The first test images as a folder like CIFAR-10-C has them, with the labels of the test split."""

    files: Path
    kind: str
    severity: int

    @property
    def name(self) -> str:
        return f"published_{self.kind}_{self.severity}"

    def check(self, shape: tuple[int, int, int]) -> None:
        published.check(self.files, self.kind, self.severity, shape)

    def of(self, sample: Sample) -> Split:
        return Split(published.read(self.files, self.kind, self.severity).images[sample.numbers], sample.split.labels)


def losses(dataset: Dataset, network: nn.Module, kinds: Sequence[str], images: int, files: Path | None = None) -> None:
    """Print the mean losses for each kind and severity, and the steps at which they do not rise for certain.

    With `files` images are those of a folder, and the test split is as short as what it holds.
    """
    if files is not None:
        require_images(dataset, files, kinds, images)
        dataset = replace(dataset, test=Split(dataset.test.images[:images], dataset.test.labels[:images]))
    clean, uneven = losses_of(network, dataset, Clean(), images), list[str]()
    print(f"{'kind':<18}" + "".join(f"{severity:>8}" for severity in (0, *SEVERITIES)))
    for kind in kinds:
        worse: list[Distribution] = [
            Corrupted(kind, level) if files is None else Published(files, kind, level) for level in SEVERITIES
        ]
        row = [clean, *(losses_of(network, dataset, one, images) for one in worse)]
        uneven += [kind] if any(high.mean() <= low.mean() for low, high in pairwise(row)) else []
        print(
            f"{kind:<18}" + "".join(f"{loss.mean():8.3f}" for loss in row) + "  " + ", ".join(unclear(row)), flush=True
        )
    print(f"{len(kinds) - len(uneven)} of {len(kinds)} strictly rising; not: {', '.join(uneven) or 'none'}")


def unclear(row: list[Tensor]) -> Iterator[str]:
    """Yield each step at which the loss does not rise for certain, with the standard error over the same images."""
    for level in SEVERITIES:
        step = row[level] - row[level - 1]
        error = step.std() / len(step) ** 0.5
        if step.mean() <= CERTAIN * error:
            yield f"{level - 1} to {level}: {step.mean():+.3f} (standard error {error:.3f})"


def seconds(work: Callable[[], object]) -> float:
    """Return how long some work takes at best, in seconds of a processor: other programs do not count."""
    times = []
    for _ in range(TURNS):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def cost(dataset: Dataset) -> None:
    """Print the time of the corrupted evaluations as a multiple of that of as many plain ones."""
    networks = [
        models.build("resnet20", classes=dataset.classes, input_shape=dataset.input_shape, options={}).eval()
        for _ in range(4)
    ]
    corrupted = [Corrupted(kind, SEVERITY) for kind in KIND_NAMES]
    measured(dataset, corrupted, networks[:1])  # tables are made once
    for some in (networks[:1], networks):
        clean = seconds(partial(measured, dataset, [Clean()] * len(corrupted), some))
        worse = seconds(partial(measured, dataset, corrupted, some))
        print(
            f"{len(some)} ResNet-20 on {COST_IMAGES} images: 19 plain evaluations {clean:.1f} CPU s, 19 corruptions "
            f"{worse:.1f} s, {worse / clean:.2f} times as long",
            flush=True,
        )


def measured(dataset: Dataset, conditions: Sequence[Distribution], networks: Sequence[nn.Module]) -> None:
    """Measure networks under conditions, one after another."""
    bench = Bench(dataset, None, images=COST_IMAGES)
    for condition in conditions:
        for network in networks:
            bench.measure(condition, network)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("published", "losses", "cost"))
    parser.add_argument("--kinds", nargs="+", choices=KIND_NAMES, default=KIND_NAMES, help="of published and losses")
    parser.add_argument("--root", help="the folder of CIFAR-10; it is downloaded if this is left out")
    parser.add_argument("--images", type=int, default=2000, help="how many test images published and losses take")
    parser.add_argument("--files", type=Path, help="published, losses: a folder like CIFAR-10-C")
    parser.add_argument("--python", type=Path, help="published: the Python of an environment with imagecorruptions")
    parser.add_argument("--definitions", type=Path, help="published: the authors' make_cifar_c.py, to make the folder")
    parser.add_argument("--keep", type=Path, help="losses: where the network is kept")
    parser.add_argument("--width", type=float, default=0.5, help="losses: how wide the ResNet-20 is")
    parser.add_argument("--subset", type=int, default=10000, help="losses: how many images it is trained on")
    parser.add_argument("--epochs", type=int, default=10, help="losses: for how long")
    chosen = parser.parse_args()
    for what, needed in (("published", "files"), ("losses", "keep")):
        if chosen.what == what and getattr(chosen, needed) is None:
            parser.error(f"{what} needs --{needed} FOLDER")
    if (chosen.python is None) != (chosen.definitions is None):
        parser.error("--python and --definitions are given together")
    torch.set_num_threads(1)
    try:
        run(chosen)
    except EspalierError as refused:
        print(f"error: {refused}", file=sys.stderr)
        sys.exit(refused.exit_status)


def run(chosen: argparse.Namespace) -> None:
    spec = TrialSpec(
        data=DataSpec(name="cifar10", subset=chosen.subset, root=chosen.root, download=chosen.root is None),
        model=ModelSpec(name="resnet20", options={"width": chosen.width}),
        training=TrainingSpec(batch_size=64, lr=0.1, precision="float32"),
        paradigm="dense",
        epochs=chosen.epochs,
    )
    dataset = data.load(spec.data)
    if chosen.what == "cost":
        cost(dataset)
    elif chosen.what == "losses":
        losses(dataset, trained(spec, dataset, chosen.keep), chosen.kinds, chosen.images, chosen.files)
    else:
        if chosen.definitions is not None:
            made(chosen.python, chosen.definitions, chosen.kinds, dataset.test.images[: chosen.images], chosen.files)
        compared(dataset, chosen.files, chosen.kinds, chosen.images)


if __name__ == "__main__":
    main()

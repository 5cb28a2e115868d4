"""Images per second on a GPU: captured and compiled steps, today's loop, an ordinary PyTorch loop, and several trials.

    python -m benchmarks.gpu.speed [--networks resnet20 resnet56] [--trials 1 2 4 8] [--no-full-size]

It needs a GPU and this repository, no data set: random images of CIFAR-10's shape lie on the device. It has not been
run on a GPU yet. The rows of a network are ratios to `training.capture: never` in the same run: batches of 128 and of
512, half of the MACs removed (in eights), gates that are sampled while it trains, and several trials at once through
NVIDIA's MPS, where `nvidia-cuda-mps-control` is installed. The ordinary loop is a DataLoader with eight workers over
torchvision's transforms, bfloat16 by autocast, channels_last. After that ResNet-50 trains on images of 224x224 that
lie on the device: with `never`, captured, captured and compiled, and as torchvision's reference trains it (autocast,
channels_last), without a decoder that the GPU would wait for. Exit status 1 if a ratio is below what is required, 2
without a GPU.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from benchmarks.onnx_latency import SHAPE, pruned
from benchmarks.training import MEAN, STD, Images, cifar_images
from orchestrator.execution import mps
from trainables import models
from trainables.context import Unheard
from trainables.data.dataset import Dataset, Split
from trainables.methods.attach import attach
from trainables.recipes.gating import Gating
from trainables.spec import Capture, Compile, DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.training.companion import Companion
from trainables.training.compiling import CompiledSteps
from trainables.training.cuda_graphs import runs_on
from trainables.training.optimizers import optimizer_for
from trainables.training.training import train_epoch

BATCH: Final = 128
LARGE: Final = 512
WORKERS: Final = 8
EPOCHS: Final = 3
"""The epochs that are measured, after one in which libraries choose kernels and steps are captured."""

START: Final = 12.0
WINDOW: Final = 3.0
"""Seconds until processes that train at once have begun, and in which their images count, for each network."""

REQUIRED: Final = {
    "captured": 4.0,
    "captured / ordinary loop": 10.0,
    "4 trials through MPS": 8.0,
    "dense / half of the MACs, captured": 1 / 0.75,
    "gated / dense, captured": 1 / 1.2,
}
"""The least ratios of images per second, to `capture: never` unless the row names another."""

OWN_PACE: Final = "captured, compiled or not / reference recipe"
REQUIRED_OF_FULL_SIZE: Final = {OWN_PACE: 1.0}

FULL_SIZE: Final = "torchvision/resnet50"
SIDE: Final = 224
FULL_BATCHES: Final = 16
"""The steps of an epoch on images of full size."""

Rates = dict[str, float]
"""Images per second, by what was measured."""

Ways = Mapping[str, tuple[Capture, Compile]]

WAYS: Final[Ways] = {
    "capture: never": ("never", "never"),
    "captured": ("auto", "never"),
    "captured and compiled": ("auto", "always"),
}


@dataclass(frozen=True)
class Bench:
    """Where is measured, and with how many images."""

    device: str
    images: int


def a_trial(network: str, bench: Bench, batch: int = BATCH, images: Split | None = None) -> LiveTrial:
    """Make a trial on random images, those of CIFAR-10's shape unless others are given."""
    spec = TrialSpec(
        data=DataSpec(name="cifar10"),
        model=ModelSpec(name=network),
        training=TrainingSpec(batch_size=batch, precision="bfloat16", lr=0.01),
        paradigm="dense",
        epochs=1 + EPOCHS,
    )
    images = images or cifar_images(None, bench.images)
    few = Split(images.images[:BATCH], images.labels[:BATCH])
    dataset = Dataset("random", 10, images, few, few, MEAN, STD, "random").to(bench.device)
    return LiveTrial(spec, dataset, Unheard(bench.device))


def epochs_of(
    trial: LiveTrial, capture: Capture, gating: Gating | None = None, compiles: Compile = "never"
) -> Iterator[float]:
    """Train for ever; yield the images per second of each epoch."""
    batches, device = trial.batches(), trial.context.device
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    trial.optimizer.register_step_post_hook(lambda *_: trial.masks.apply())
    companion = Companion() if gating is None else attach(gating, trial, gating.epochs * len(batches))
    steps = CompiledSteps(runs_on(device, capture, lambda: trial.masks.pattern).steps, compiles, lambda: 0.0)
    while True:
        result = train_epoch(
            trial.model,
            batches,
            trial.optimizer,
            lambda _: trial.spec.training.lr,
            task=trial.task,
            precision=torch.bfloat16,
            companion=companion,
            steps=steps,
        )
        yield result.images / result.seconds


def median_rate(epochs: Iterator[float]) -> float:
    return statistics.median(islice(epochs, 1, 1 + EPOCHS))


def ours(network: str, bench: Bench) -> Rates:
    """Measure one trial at a time."""
    modes: dict[str, Capture] = {"capture: never": "never", "captured": "auto"}
    rates = {name: median_rate(epochs_of(a_trial(network, bench), how, None, by)) for name, (how, by) in WAYS.items()}
    for name, mode in modes.items():
        rates[f"{name}, batches of {LARGE}"] = median_rate(epochs_of(a_trial(network, bench, LARGE), mode))
        smaller = a_trial(network, bench)
        smaller.replace_model(pruned(0.5, 8, network))
        rates[f"{name}, half of the MACs"] = median_rate(epochs_of(smaller, mode))
        gating = Gating(epochs=2 + EPOCHS)  # they are still open when the last epoch is measured
        rates[f"{name}, gated"] = median_rate(epochs_of(a_trial(network, bench), mode, gating))
    return rates


def ordinary(network: str, bench: Bench) -> float:
    """Measure the loop of the tutorials, once its workers are up."""
    device = torch.device(bench.device)
    torch.manual_seed(0)
    model: nn.Module = models.build(network, classes=10, input_shape=SHAPE).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's annotation leaves it out
    loader = DataLoader(
        Images(cifar_images(None, bench.images)),
        batch_size=BATCH,
        shuffle=True,
        num_workers=min(WORKERS, os.cpu_count() or 1),
        pin_memory=device.type == "cuda",
        drop_last=True,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
    criterion, batches = nn.CrossEntropyLoss(), iter(loader)

    def train(some: Iterator[tuple[Tensor, Tensor]]) -> int:
        seen = 0
        for inputs, labels in some:
            optimizer.zero_grad()
            moved = inputs.to(device, memory_format=torch.channels_last, non_blocking=True)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = criterion(model(moved), labels.to(device, non_blocking=True))
            loss.backward()
            optimizer.step()
            seen += len(labels)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return seen

    train(islice(batches, 2))
    begin = time.perf_counter()
    return train(batches) / (time.perf_counter() - begin)


def full_size(bench: Bench) -> Rates:
    """Measure a network for ImageNet on images of its size."""
    generator = torch.Generator().manual_seed(0)
    shape = (FULL_BATCHES * BATCH, 3, SIDE, SIDE)
    pixels = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    images = Split(pixels, torch.randint(10, (len(pixels),), generator=generator)).to(bench.device)
    rates = {
        name: median_rate(epochs_of(a_trial(FULL_SIZE, bench, images=images), how, None, by))
        for name, (how, by) in WAYS.items()
    }
    return {**rates, "reference recipe": median_rate(reference_recipe(images, bench))}


def reference_recipe(images: Split, bench: Bench) -> Iterator[float]:
    """Train as torchvision's reference does, on normalised batches that lie on the device; yield images per second."""
    device = torch.device(bench.device)
    torch.backends.cudnn.benchmark = True  # as there; nothing is measured after it
    model: nn.Module = models.build(FULL_SIZE, classes=10, input_shape=(3, SIDE, SIDE)).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's annotation leaves it out
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    inputs = (images.images[:BATCH].float() / 255).contiguous(memory_format=torch.channels_last)
    labels, criterion = images.labels[:BATCH].to(device), nn.CrossEntropyLoss()
    while True:
        begin = time.perf_counter()
        for _ in range(FULL_BATCHES):
            optimizer.zero_grad()
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = criterion(model(inputs), labels)
            loss.backward()
            optimizer.step()
        loss.item()  # waits for the device
        yield FULL_BATCHES * BATCH / (time.perf_counter() - begin)


def counted(network: str, bench: Bench, begin: float, end: float) -> float:
    """Train until the time `end`; return the images per second of the epochs after `begin`, both since the epoch."""
    rates = []
    for rate in epochs_of(a_trial(network, bench), "auto"):
        now = time.time()
        if now >= end:
            break
        if now - bench.images / rate >= begin:
            rates.append(rate)
    if not rates:
        raise SystemExit(f"{network}: no epoch fell whole into a window of {end - begin:g} s; name fewer --images")
    return statistics.median(rates)


def together(processes: int, networks: Sequence[str], bench: Bench) -> Rates:
    """Train so many trials at once in processes of their own; return the images per second of all, by network."""
    command = [sys.executable, "-m", "benchmarks.gpu.speed", "--device", bench.device, "--images", str(bench.images)]
    command += ["--networks", *networks, "--window", str(time.time() + START)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    printed = [process.communicate()[0].split() for process in running]
    if any(process.returncode for process in running):
        raise SystemExit(f"one of {processes} trials at once failed")
    return {network: sum(float(rates[index]) for rates in printed) for index, network in enumerate(networks)}


@contextmanager
def through_mps() -> Iterator[str | None]:
    """Let processes that are started meanwhile compute at once; gives why they cannot, or None."""
    keeper = mps.Keeper()
    refused = keeper.start()
    try:
        yield refused
    finally:
        keeper.end()


def ratios(rates: Rates) -> Rates:
    """Return what has to be shown of a network, as far as it was measured."""
    never, captured = rates["capture: never"], rates["captured"]
    return {
        "captured": captured / never,
        "captured / ordinary loop": captured / rates["ordinary loop"],
        "dense / half of the MACs, captured": rates["captured, half of the MACs"] / captured,
        "gated / dense, captured": rates["captured, gated"] / captured,
        **{name: rate / never for name, rate in rates.items() if name.endswith("through MPS")},
    }


def table(network: str, rates: Rates) -> Iterator[str]:
    yield f"\n| {network} | images per second | to `capture: never` |"
    yield "| --- | --- | --- |"
    for name, rate in rates.items():
        yield f"| {name} | {rate:,.0f} | {rate / rates['capture: never']:.2f} |"


def full_size_ratios(rates: Rates) -> Rates:
    """Return what has to be shown of the network of full size."""
    best = max(rates["captured"], rates["captured and compiled"])
    return {OWN_PACE: best / rates["reference recipe"]}


def verdict(network: str, shown: Rates, required: Mapping[str, float] = REQUIRED) -> Iterator[tuple[str, bool]]:
    """Yield a line for each ratio that is required, and whether it is met."""
    for name, least in required.items():
        if name not in shown:
            yield f"{network}: {name} was not measured, required {least:.2f}: NOT MET", False
        else:
            met = shown[name] >= least
            yield f"{network}: {name} {shown[name]:.2f}, required {least:.2f}: {'met' if met else 'NOT MET'}", met


def compare(networks: Sequence[str], trials: Sequence[int], bench: Bench, *, full: bool) -> bool:
    """Measure and print everything; return whether all that is required is met."""
    rates = {network: {**ours(network, bench), "ordinary loop": ordinary(network, bench)} for network in networks}
    with through_mps() as refused:
        print("MPS: this machine " + refused if refused else f"{max(trials)} trials at most through MPS")
        for processes in [] if refused and bench.device == "cuda" else trials:
            for network, rate in together(processes, networks, bench).items():
                rates[network][f"{processes} trials through MPS"] = rate
    checks = [check for network in networks for check in verdict(network, ratios(rates[network]))]
    print(*(line for network in networks for line in table(network, rates[network])), "", sep="\n")
    if full:
        name, found = f"ResNet-50, {SIDE}x{SIDE}", full_size(bench)
        print(*table(name, found), "", sep="\n")
        checks += verdict(name, full_size_ratios(found), REQUIRED_OF_FULL_SIZE)
    print(*(line for line, _ in checks), sep="\n")
    return all(met for _, met in checks)


def in_window(networks: Sequence[str], bench: Bench, begin: float) -> None:
    """Be one of the trials that train at once: print the images per second of each network in its window."""
    if bench.device == "cuda":
        mps.connect()
    for index, network in enumerate(networks):
        start = begin + index * 2 * WINDOW
        print(counted(network, bench, start, start + WINDOW), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["resnet20", "resnet56"], help="networks for CIFAR-10")
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 2, 4, 8], help="how many at once through MPS")
    parser.add_argument("--images", type=int, default=12800, help="random images of an epoch (default 12800)")
    parser.add_argument("--no-full-size", action="store_true", help="leave out ResNet-50 on images of 224x224")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help=argparse.SUPPRESS)
    parser.add_argument("--window", type=float, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    bench = Bench(chosen.device, chosen.images)
    if chosen.window is not None:
        in_window(chosen.networks, bench, chosen.window)
        return 0
    if bench.device == "cuda" and not torch.cuda.is_available():
        print("benchmarks.gpu.speed: torch sees no GPU here", file=sys.stderr)
        return 2
    card = torch.cuda.get_device_name() if bench.device == "cuda" else "a processor, whose figures mean nothing"
    print(f"{card}, torch {torch.__version__}, bfloat16, channels_last, {bench.images} random images an epoch")
    return 0 if compare(chosen.networks, chosen.trials, bench, full=not chosen.no_full_size) else 1


if __name__ == "__main__":
    sys.exit(main())

"""How many trials share a GPU, where a study leaves that to a measurement: `resources.gpus: auto`.

The measurement has not been run on a GPU yet; what follows from its figures is tested.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from orchestrator.execution import mps
from orchestrator.execution.cluster import named
from orchestrator.search import starting_weights
from orchestrator.search.network_check import NetworkCheck
from orchestrator.spec.sections import AUTO, Resources
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from trainables import data
from trainables.errors import InvalidValue

COUNTS: Final = (1, 2, 4, 8)
"""The numbers of trials at once that are tried."""

WORTH: Final = 0.95
"""The share of the most images per second that is enough: fewer trials at once learn more from each other."""

GROWTH: Final = 1.1
"""By how much more images per second another doubling is tried."""

SPARE: Final = 1.25
"""What a trial may need of the memory that training the dense network takes: gates and checks take some more."""

CONTEXT: Final = 600 * 2**20
"""The bytes of a GPU's memory that CUDA takes for each process, about."""

_KEY: Final = "resources.gpus"


@dataclass(frozen=True)
class Together:
    """What trials on one GPU do together: images per second of all, and the bytes that torch took for the largest."""

    images_per_second: float
    bytes: float


def fits(trials: int, taken: float, memory: float) -> bool:
    """Return whether so many trials fit on a GPU of so many bytes, if torch takes `taken` for one."""
    return trials * (taken * SPARE + CONTEXT) <= memory


def measured(together: Callable[[int], Together | None], memory: float, most: int) -> dict[int, float]:
    """Return images per second by number of trials at once, as long as more fit, `most` at most, and bring more.

    `together` measures a number of trials; None is that they do not train.
    """
    rates: dict[int, float] = {}
    taken = 0.0
    for trials in (count for count in COUNTS if count <= max(1, most)):
        best = max(rates.values(), default=0.0)
        seen = together(trials) if not rates or fits(trials, taken, memory) else None
        if seen is None:
            break
        rates[trials], taken = seen.images_per_second, max(taken, seen.bytes)
        if rates[trials] < GROWTH * best:
            break
    return rates


def trials_per_gpu(rates: Mapping[int, float]) -> int:
    """Return how many trials share a GPU: the fewest that are about as fast together as any number."""
    most = max(rates.values())
    return min(trials for trials, rate in rates.items() if rate >= WORTH * most)


def shared_by(resources: Resources, trials: int) -> Resources:
    """Return the resources of each of so many trials on a GPU."""
    share = {"gpus": 1.0, "mps": False} if trials == 1 else {"gpus": 1 / trials}
    return Resources.model_validate({**resources.model_dump(), **share})


def settled(spec: StudySpec, store: Store, address: str | None, said: Callable[[str], object]) -> StudySpec:
    """Return a study with a number of GPUs: its own, that of the same study if it exists, or one that is measured now.

    `said` is called with a sentence on what was measured. Raises InvalidValue without a GPU, with different ones, and
    for a cluster; and StudyError or InvalidValue, before anything is measured, for a network that cannot do what the
    study asks.
    """
    if spec.resources.gpus != AUTO:
        return spec
    folder = store.study(spec.name)
    if folder.spec.exists():
        before = StudySpec.stored(folder.spec).resources
        return _with(spec, {"gpus": before.gpus, "mps": before.mps})
    if (cluster := named(address)) is not None:
        allowed = f"is measured on this machine, and the cluster at {cluster} may have other GPUs: write a number"
        raise InvalidValue(_KEY, AUTO, allowed)
    name, memory, cards = _card()
    _require_data(spec)
    with starting_weights.preview(spec, store) as weights:
        NetworkCheck(spec, weights.placed).require_work()
    room = math.floor((os.cpu_count() or 1) / spec.resources.cpus / cards)
    with _computing_at_once(spec.resources):
        rates = measured(
            lambda trials: together(spec, trials, "cuda"), memory, min(room, spec.resources.parallel or room)
        )
    if not rates:
        raise InvalidValue(_KEY, AUTO, "cannot be measured: a trial does not train on this GPU, as was said above")
    trials = trials_per_gpu(rates)
    shown = ", ".join(f"{count}: {rate:,.0f}" for count, rate in rates.items())
    said(f"{_KEY}: {trials} at once on each {name}; images per second by trials at once: {shown}")
    shared = shared_by(spec.resources, trials)
    return _with(spec, {"gpus": shared.gpus, "mps": shared.mps})


def together(spec: StudySpec, trials: int, device: str) -> Together | None:
    """Train so many trials at once on this machine for some seconds; None if one of them cannot."""
    command = [sys.executable, "-m", "orchestrator.execution.gpu_probe", device]
    with ExitStack() as stack:
        running = [stack.enter_context(_running(command)) for _ in range(trials)]
        for process in running:
            _tell(process, spec.model_dump_json())
        if not all(_heard(process) for process in running):
            return None
        for process in running:
            _tell(process, "train")
        figures = [_heard(process).split() for process in running]
    if not all(figures):
        return None
    return Together(sum(float(rate) for rate, _ in figures), max(float(taken) for _, taken in figures))


Process = subprocess.Popen[str]


@contextmanager
def _running(command: Sequence[str]) -> Iterator[Process]:
    """Run a program that is talked to by lines; it is ended with the block."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _tell(process: Process, line: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended: then it is not heard any more
        print(line, file=process.stdin, flush=True)


def _heard(process: Process) -> str:
    """Return the next line of a program; an empty text if it has ended."""
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def _computing_at_once(resources: Resources) -> Iterator[None]:
    """Let the processes of the block compute at once, if trials will; raises InvalidValue where they cannot."""
    keeper = mps.Keeper()
    refused = keeper.start() if resources.mps else None
    if refused is not None:
        raise InvalidValue("resources.mps", True, f"needs the service on every node: this machine {refused}")
    try:
        yield
    finally:
        keeper.end()


def _require_data(spec: StudySpec) -> None:
    """Raise InvalidValue where data are still to be downloaded: processes at once would each do so."""
    try:
        data.check(replace(spec.data, download=False))
    except InvalidValue as refused:
        allowed = (
            f"is measured by training, and {spec.data.name} is still to be downloaded: write a number until it is here"
        )
        raise InvalidValue(_KEY, AUTO, allowed) from refused


def _card() -> tuple[str, float, int]:
    """Return the name and the bytes of this machine's GPUs, and how many there are."""
    import torch

    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if not names:
        allowed = "needs a GPU to measure on, and torch sees none here: write a number, 0 to train on the CPU"
        raise InvalidValue(_KEY, AUTO, allowed)
    if len(set(names)) > 1:
        allowed = f"is one number for all GPUs, and here are different ones ({', '.join(sorted(set(names)))}): write it"
        raise InvalidValue(_KEY, AUTO, allowed)
    return names[0], float(torch.cuda.get_device_properties(0).total_memory), len(names)


def _with(spec: StudySpec, resources: Mapping[str, object]) -> StudySpec:
    plain = spec.model_dump(mode="json")
    return StudySpec.model_validate_json(json.dumps({**plain, "resources": {**plain["resources"], **resources}}))

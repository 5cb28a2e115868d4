"""Trains a study's dense network beside others that do so at the same time, in a process of its own. Imports torch.

    python -m orchestrator.execution.gpu_probe cuda

It reads the study from its input, a line of JSON, says that it is ready once it is warm, and trains for some seconds
when it reads another line. Its last line has images per second, and the bytes of the GPU that torch has taken.
"""

import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Final, TextIO

import torch

from orchestrator.execution import mps
from orchestrator.execution.short_training import ShortTraining
from orchestrator.spec.study_spec import StudySpec
from trainables import data
from trainables.context import Unheard
from trainables.errors import EspalierError
from trainables.state import LiveTrial

READY: Final = "ready"

SECONDS: Final = 3.0
"""How long processes train together."""

PIECE: Final = 0.2
"""Seconds of training after which a process looks whether the time is over."""

WARM: Final = 16
"""The steps before that, at least: libraries choose kernels, and steps are captured."""


def a_trial(spec: StudySpec, device: str) -> LiveTrial:
    """Return a trial of the study's first network, dense and with weights of its own."""
    network = replace(spec.networks[0], weights=None)
    trial = spec.model_copy(update={"model": network}).trial("dense", {}, spec.seed)
    dataset = data.load(replace(spec.data, download=False)).placed(device, spec.data.memory)
    return LiveTrial(trial, dataset, Unheard(device))


def train_when_told(spec: StudySpec, device: str, told: TextIO, say: TextIO) -> None:
    """Train until warm, say so, wait for a line, and train for `SECONDS`; write what that came to."""
    training = ShortTraining(a_trial(spec, device))
    for _ in range(WARM):
        training.take(1)
    _, steps = training.paced(PIECE)
    print(READY, file=say, flush=True)
    told.readline()
    images, begin = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begin) < SECONDS:
        images += training.take(steps).images
    taken = torch.cuda.max_memory_reserved() if device == "cuda" else 0
    print(images / seconds, taken, file=say, flush=True)


def main() -> None:
    """Train as the other processes say; exit with status 1 and one line where the network cannot be trained."""
    device = sys.argv[1]
    if device == "cuda":
        mps.connect()
    say = sys.stdout
    try:
        with redirect_stdout(sys.stderr):  # what a network or data print would be taken for an answer
            spec = StudySpec.model_validate_json(sys.stdin.readline())
            torch.set_num_threads(max(1, int(spec.resources.cpus)))
            train_when_told(spec, device, sys.stdin, say)
    except (EspalierError, torch.OutOfMemoryError) as error:
        sys.exit(f"espalier: {error}")


if __name__ == "__main__":
    main()

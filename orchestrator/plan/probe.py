"""Measures how long a study's dense networks take for an epoch, by a few training steps. Imports torch."""

import math
import time
from dataclasses import dataclass, replace
from typing import Final

import torch

from orchestrator.execution.short_training import ShortTraining
from orchestrator.search.expected_costs import Placed, unplaced
from orchestrator.spec.study_spec import StudySpec
from trainables import data
from trainables.context import Unheard
from trainables.data.dataset import Split
from trainables.runner import evaluate_on
from trainables.state import LiveTrial

LONG_ENOUGH: Final = 1.0
"""A measurement counts if it lasts this many seconds; shorter ones are repeated with twice the steps."""

IMAGES: Final = 1000
"""The most images that are evaluated."""


@dataclass(frozen=True)
class Probe:
    """The seconds of an epoch and of a final evaluation, measured by `steps` training steps and `images` evaluations.

    An epoch ends with an evaluation on the validation split, a trial with one on validation and test.
    """

    epoch: float
    last: float
    steps: int
    images: int
    device: str


def measure(spec: StudySpec, placed: Placed = unplaced) -> Probe:
    """Train and evaluate the unpruned network for a few seconds; raises InvalidValue if the data cannot be read.

    Of several networks each is measured; the times are their means, since a study draws them equally often.
    """
    probes = [_measure(spec.model_copy(update={"model": network}), placed) for network in spec.networks]
    mean = {name: sum(getattr(probe, name) for probe in probes) / len(probes) for name in ("epoch", "last")}
    return replace(probes[0], **mean, steps=sum(probe.steps for probe in probes))


def _measure(spec: StudySpec, placed: Placed) -> Probe:
    torch.set_num_threads(max(1, math.floor(spec.resources.cpus)))
    context = Unheard("cuda" if spec.resources.share > 0 else "cpu")
    dataset = data.load(replace(spec.data, download=False)).placed(context.device, spec.data.memory)
    trial = LiveTrial(placed(spec.trial("dense", {}, spec.seed)), dataset, context)
    step, steps = _step(trial)
    few = replace(dataset, validation=_few(dataset.validation))
    seconds = _evaluation(LiveTrial(trial.spec, few, context))
    image = seconds / len(few.validation)
    epoch = step * len(trial.batches()) + image * len(dataset.validation)
    last = image * (len(dataset.validation) + len(dataset.test))
    return Probe(epoch, last, steps, len(few.validation), context.device)


def _step(trial: LiveTrial) -> tuple[float, int]:
    """Return the seconds of a training step, and how many steps were measured."""
    return ShortTraining(trial).paced(LONG_ENOUGH)


def _evaluation(trial: LiveTrial) -> float:
    evaluate_on(trial, "validation")
    begin = time.perf_counter()
    evaluate_on(trial, "validation")
    return time.perf_counter() - begin


def _few(split: Split) -> Split:
    return Split(split.images[:IMAGES], split.labels[:IMAGES], split.streams_to)

"""What an epoch takes of the machine: images per second, memory, how busy the device was."""

import time
from itertools import count
from threading import Event

import numpy as np
import pytest

from tests.conftest import MemoryContext
from trainables.context import Usage
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.training.usage import Looks, _forget_peak, gauge
from trainables.trial import run_trial

MEGABYTE = 10**6


def fill(megabytes: int) -> None:
    """Hold so much memory for a moment."""
    np.ones(megabytes * MEGABYTE, dtype=np.uint8)


def measured(seconds_idle: float = 0.0, megabytes: int = 0, turns: int = 0) -> Usage:
    with gauge("cpu") as found:
        time.sleep(seconds_idle)
        fill(megabytes)
        for _ in range(turns):
            pass
    return found.usage(images=300, seconds=2.0)


def test_images_per_second_are_those_of_training() -> None:
    assert measured().images_per_second == 150


@pytest.mark.skipif(not _forget_peak(), reason="this kernel does not forget a process's peak")
def test_the_peak_of_memory_is_that_of_the_epoch_and_of_no_earlier_one() -> None:
    quiet = measured().peak_memory
    fill(400)
    after, filled = measured().peak_memory, measured(megabytes=200).peak_memory
    assert quiet is not None
    assert after is not None
    assert filled is not None
    assert after < quiet + 100 * MEGABYTE
    assert quiet + 150 * MEGABYTE < filled < quiet + 300 * MEGABYTE


def test_processors_that_compute_are_in_use_and_those_that_wait_are_not() -> None:
    waiting, computing = measured(seconds_idle=0.1).device_use, measured(turns=2_000_000).device_use
    assert waiting is not None
    assert computing is not None
    assert 0 <= waiting < computing


def test_a_gpu_is_in_use_in_the_share_of_looks_that_find_work() -> None:
    looked, enough = count(), Event()

    def busy() -> bool:
        number = next(looked)
        if number == 40:
            enough.set()
        return number % 4 == 0

    looks = Looks(busy, every=0.001)
    assert looks.share is None
    looks.start()
    assert enough.wait(60)
    looks.stop()
    assert looks.share == pytest.approx(0.25, abs=0.02)


def test_every_report_of_a_trial_says_what_the_epoch_took(context: MemoryContext) -> None:
    run_trial(
        TrialSpec(
            data=DataSpec(name="digits", subset=64),
            model=ModelSpec(name="mlp"),
            paradigm="magnitude",
            hyperparameters={"granularity": "weight", "sparsity": 0.5, "schedule": "one_shot"},
            training=TrainingSpec(batch_size=32),
            epochs=3,
            seed=0,
        ),
        context,
    )
    assert len(context.reports) == 3
    for report in context.reports:
        assert report.usage is not None
        assert report.usage.images_per_second == pytest.approx(64 / report.seconds)

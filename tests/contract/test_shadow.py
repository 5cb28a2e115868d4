"""What would be recorded of training on a GPU can be: it is tried on a device that knows shapes and no values."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.test_training_steps import DURING
from tests.trainables.training.shadow import FAULTY, NEED_VALUES, NETWORKS

SOUND = (*(name for name in DURING if name not in NEED_VALUES), *NETWORKS, "adamw", "rate of the readout")

TWO_KINDS = ("sampled gates", "sampled gates, late", "distilled gates", "faded gates")
"""What does something in some steps that it does not in the others, so that both are recorded."""


@pytest.fixture(scope="module")
def tried() -> Mapping[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.trainables.training.shadow"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    found: Mapping[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("name", SOUND)
def test_steps_and_evaluations_are_recorded_without_the_host(name: str, tried: Mapping[str, Any]) -> None:
    assert tried[name]["faults"] == []
    assert tried[name]["recorded"] >= 2 + (name in TWO_KINDS)
    assert tried[name]["replayed"] >= 2


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("reading", "DataDependentOutputException: aten._local_scalar_dense.default"),
        ("making", "aten.full.default on the host"),
        ("sending", "a copy from the host"),
    ],
)
def test_steps_that_need_the_host_are_found_out(name: str, fault: str, tried: Mapping[str, Any]) -> None:
    assert name in FAULTY
    assert fault in tried[name]["faults"]

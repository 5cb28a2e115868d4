"""What a plug-in sets for the whole process ends with its trial."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from trainables.process import settings_kept

CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "default type": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "default device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "anomalies": (torch.is_anomaly_enabled, lambda: torch.autograd.set_detect_anomaly(True)),
    "determinism": (
        torch.are_deterministic_algorithms_enabled,
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    ),
    "precision": (torch.get_float32_matmul_precision, lambda: torch.set_float32_matmul_precision("medium")),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(2)),
    "cudnn": (lambda: torch.backends.cudnn.benchmark, lambda: setattr(torch.backends.cudnn, "benchmark", True)),
    "oneDNN": (lambda: torch.backends.mkldnn.enabled, lambda: setattr(torch.backends.mkldnn, "enabled", False)),
    "numpy's errors": (np.geterr, lambda: np.seterr(all="raise")),
    "environment": (lambda: dict(os.environ), lambda: os.environ.update(ESPALIER_TEST="1", PATH="/nowhere")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_is_given_back_also_after_an_error(name: str) -> None:
    read, change = CHANGES[name]
    before = read()
    with suppress(ZeroDivisionError), settings_kept():
        change()
        assert read() != before
        raise ZeroDivisionError
    assert read() == before


def test_the_current_folder_is_given_back_even_if_the_new_one_is_gone(tmp_path: Path) -> None:
    before = os.getcwd()
    (tmp_path / "gone").mkdir()
    with settings_kept():
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
    assert os.getcwd() == before


def test_numbers_are_what_they_were(tmp_path: Path) -> None:
    with settings_kept():
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        os.chdir(tmp_path)
    made = torch.zeros(1)
    assert (made.dtype, made.device.type) == (torch.float32, "cpu")

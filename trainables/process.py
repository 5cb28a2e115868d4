"""Settings of the whole process, which a plug-in may change and which the next trial must not inherit."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class _Setting:
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _flag(holder: Any, name: str) -> _Setting:
    return _Setting(lambda: getattr(holder, name), lambda value: setattr(holder, name, value))


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _restore_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _set_default_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)  # None costs nothing, "cpu" a mode on each call


_SETTINGS = (
    _Setting(torch.get_default_dtype, torch.set_default_dtype),
    _Setting(torch.get_default_device, _set_default_device),
    _Setting(torch.is_grad_enabled, torch.set_grad_enabled),
    _Setting(torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    _Setting(_deterministic, lambda mode: torch.use_deterministic_algorithms(mode[0], warn_only=mode[1])),
    _Setting(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _Setting(torch.get_num_threads, torch.set_num_threads),
    _Setting(torch.backends.mha.get_fastpath_enabled, torch.backends.mha.set_fastpath_enabled),
    *(_flag(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic", "allow_tf32")),
    _flag(torch.backends.mkldnn, "enabled"),
    _Setting(np.geterr, lambda handling: np.seterr(**handling)),
    _Setting(lambda: dict(os.environ), _restore_environment),
    _Setting(_folder, lambda folder: os.chdir(folder) if folder is not None else None),
)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Give the process back, also after an error, what it has set now.

    That is torch's default type and device, gradients, determinism, precision, threads and kernels; numpy's handling of
    errors; the environment and the current folder.
    """
    before = [(setting, setting.read()) for setting in _SETTINGS]
    try:
        yield
    finally:
        for setting, value in before:
            if setting.read() != value:
                setting.write(value)

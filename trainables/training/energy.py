"""The energy that a GPU has used, by NVML, the library that comes with NVIDIA's driver."""

import ctypes
from typing import Final

import torch

from trainables.errors import InvalidValue

_LIBRARY: Final = "libnvidia-ml.so.1"
_MILLIJOULES: Final = 1e-3


class EnergyMeter:
    """The total energy of a GPU since its driver was loaded, whoever used it."""

    def __init__(self, device: str) -> None:
        """Find the GPU; raises InvalidValue, keyed ``objectives.energy``, where NVML does not give its energy."""
        if torch.device(device).type != "cuda":
            raise _unavailable(device, "a processor has no counter that NVML reads")
        try:
            self._nvml = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise _unavailable(device, f"{_LIBRARY} cannot be loaded") from error
        self._device, self._handle = device, ctypes.c_void_p()
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
        self._require(self._nvml.nvmlInit_v2())
        self._require(self._nvml.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(self._handle)))
        self.joules()

    def joules(self) -> float:
        """Return the energy used so far, once the GPU has finished what was asked of it."""
        torch.cuda.synchronize(self._device)
        millijoules = ctypes.c_ulonglong()
        self._require(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle, ctypes.byref(millijoules)))
        return _MILLIJOULES * millijoules.value

    def _require(self, status: int) -> None:
        if status:
            raise _unavailable(self._device, f"NVML answers with error {status}")


def _unavailable(device: str, why: str) -> InvalidValue:
    return InvalidValue("objectives.energy", "minimize", f"cannot be measured on {device}: {why}; leave it out")

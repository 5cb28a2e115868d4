#!/usr/bin/env bash
# Fake tensors carry out no operation, except on tensors made of numbers, and that fails for devices made in Python.
#
# Guess: under FakeTensorMode every tensor can be sent to a device that is registered from Python
# (torch.utils.backend_registration) and has no kernels, for nothing is computed. Seen: those of torch.empty can; those of
# torch.tensor keep their value beside the fake one, and operations on it are carried out, on the real device: sending
# them, or making another of their shape there, is refused, for the device has no kernel for it. Batch norm counts its
# batches in such a tensor. One made anew of the same shape and type is made there.
#
# Exits with 0 as long as that is so, with 1 once it has changed. Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "torch==2.13.0" numpy
OMP_NUM_THREADS=1 HOME="$folder" "$folder/env/bin/python" - <<'PYTHON'
import sys

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

print("torch", torch.__version__)
_setup_privateuseone_for_python_backend("paper")


def device_of(make):
    try:
        return make().device.type
    except RuntimeError as refused:  # there is no kernel
        return f"refused: {str(refused).partition('.')[0]}"


with FakeTensorMode():
    constant = torch.tensor(1.0)
    seen = {
        "torch.empty(()), sent": device_of(lambda: torch.empty(()).to("paper")),
        "torch.tensor(1.0), sent": device_of(lambda: constant.to("paper")),
        "its shape, made there": device_of(lambda: torch.empty_like(constant, device="paper")),
        "the same shape, made anew": device_of(lambda: torch.empty(tuple(constant.shape), device="paper")),
    }
print("guess: all lie on the device")
for what, device in seen.items():
    print(f"seen: {what}: {device}")
first, second, third, last = (device == "paper" for device in seen.values())
sys.exit(int((first, second, third, last) != (True, False, False, True)))
PYTHON
echo "as seen before"

"""The energy of a GPU; a processor has no counter."""

import pytest
import torch

from trainables.errors import InvalidValue
from trainables.training.energy import EnergyMeter


def test_on_a_processor_energy_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidValue, match=r"objectives\.energy.*cannot be measured on cpu: .*leave it out"):
        EnergyMeter("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_work_on_a_gpu_uses_energy() -> None:
    meter = EnergyMeter("cuda")
    before, work = meter.joules(), torch.rand(4096, 4096, device="cuda")
    for _ in range(200):
        work = work @ work / 4096
    assert meter.joules() > before

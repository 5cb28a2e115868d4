"""What becomes of trials that break: which kind it was, and whether there is another attempt."""

import errno

import pytest
import torch

from orchestrator.ledger.failures import Failure, breakdown
from trainables.errors import InfeasibleTrial, TrainingDiverged


def raised_from_torch() -> BaseException:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    return caught.value


def wrapped(error: BaseException) -> BaseException:
    outer = ValueError("the plug-in's step failed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("out of memory of what was asked"), Failure.ERROR),
        (TrainingDiverged("the loss is nan"), Failure.ERROR),
        (OSError(errno.EACCES, "no"), Failure.ERROR),
        (InfeasibleTrial("too few epochs"), Failure.INFEASIBLE),
        (MemoryError(), Failure.OUT_OF_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), Failure.OUT_OF_MEMORY),
        (raised_from_torch(), Failure.OUT_OF_MEMORY),
        (wrapped(raised_from_torch()), Failure.OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), Failure.OUT_OF_MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            Failure.OUT_OF_MEMORY,
        ),
    ],
    ids=str,
)
def test_an_exception_tells_its_kind(error: BaseException, failure: Failure) -> None:
    assert breakdown(error).failure is failure

"""Work in pieces on a real Ray."""

import os
from pathlib import Path

import pytest

from orchestrator.execution.cluster import ray_session
from orchestrator.execution.task_pool import in_parallel
from orchestrator.spec.sections import Resources


def inverse(number: int) -> tuple[float, int]:
    return 1 / number, os.getpid()


def test_each_piece_comes_with_its_result_from_another_process_and_errors_end_the_work(tmp_path: Path) -> None:
    with ray_session(tmp_path / "log", "local"):
        done = dict(in_parallel(inverse, [1, 2, 4], Resources(cpus=1)))
        assert {number: result for number, (result, _) in done.items()} == {1: 1.0, 2: 0.5, 4: 0.25}
        assert os.getpid() not in {process for _, process in done.values()}
        with pytest.raises(ZeroDivisionError) as raised:
            list(in_parallel(inverse, [0], Resources(cpus=1)))
        assert str(raised.value) == "division by zero"

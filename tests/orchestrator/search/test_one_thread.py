"""Linear algebra in one thread."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from orchestrator.search.one_thread import on_one_thread


def threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_it_is_done_in_one_thread_for_a_while_and_in_as_many_as_before_afterwards() -> None:
    np.linalg.inv(np.eye(3))
    with threadpool_limits(2, user_api="blas"):
        with on_one_thread():
            assert threads() == {1}
        assert threads() == {2}

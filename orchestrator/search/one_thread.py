"""Linear algebra of small matrices, which several threads only slow down, and take processors from trials."""

from contextlib import AbstractContextManager
from functools import cache

from threadpoolctl import ThreadpoolController


def on_one_thread() -> AbstractContextManager[object]:
    """Let this process do linear algebra in one thread for a while, so that no sum depends on how many it has."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limited


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()

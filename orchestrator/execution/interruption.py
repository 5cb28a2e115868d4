"""Signals that ask a run to end: SIGTERM and SIGHUP, from `timeout`, batch systems and closed terminals, as Ctrl-C."""

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
"""Beside SIGINT, which Python itself turns into KeyboardInterrupt."""

_OUTPUTS: Final = (1, 2)
"""The file numbers of standard output and standard error."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first of `SIGNALS` into KeyboardInterrupt while the block runs; those that follow are ignored.

    `timeout` sends its signal twice, and a shell that ends repeats the terminal's. A SIGHUP that is ignored, as under
    `nohup`, stays ignored. Does nothing outside the main thread, where no handler can be set.
    """
    with handlers_kept():
        if threading.current_thread() is threading.main_thread():
            interrupt = _once()
            for number in signals():
                signal.signal(number, interrupt)
        yield


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Undo what the block does to the handlers of signals: Ray and Ray Tune set their own."""
    numbers = (signal.SIGINT, signal.SIGUSR1, *SIGNALS)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def signals() -> tuple[signal.Signals, ...]:
    """Return those of `SIGNALS` to which this process listens."""
    return tuple(number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN)


def ignore_the_rest() -> None:
    """Ignore further `SIGNALS`: the first is being heeded."""
    for number in signals():
        signal.signal(number, signal.SIG_IGN)


def leave_terminal() -> None:
    """Discard output whose terminal is gone: writing to it would fail."""
    for output in _OUTPUTS:
        if stat.S_ISCHR(os.fstat(output).st_mode) and not os.isatty(output):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)


def _once() -> Callable[[int, FrameType | None], None]:
    """Return a handler that interrupts at the first signal only."""
    came = False

    def interrupt(_: int, __: FrameType | None) -> None:
        nonlocal came
        leave_terminal()
        if not came:
            came = True
            raise KeyboardInterrupt

    return interrupt

"""Which signals interrupt a run, how often, and what becomes of output whose terminal is gone."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from orchestrator.execution.interruption import interruptible

WITHOUT_TERMINAL = """
import sys
from orchestrator.execution.interruption import leave_terminal
sys.stdin.readline()
if sys.argv[1] == "leave":
    leave_terminal()
print("to nobody", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_interrupts_and_the_second_is_ignored(number: signal.Signals) -> None:
    ours = signal.signal(number, signal.SIG_DFL)  # the shell that started the tests may ignore it
    try:
        with interruptible():
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
            signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, ours)


def test_a_hangup_that_is_ignored_as_under_nohup_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("choice", "status"), [("leave", 0), ("stay", 1)])
def test_output_goes_nowhere_once_its_terminal_is_gone(choice: str, status: int) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-c", WITHOUT_TERMINAL, choice]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=end, stderr=subprocess.DEVNULL) as running:
        os.close(end)
        os.close(terminal)
        running.communicate(b"\n")
    assert (running.returncode != 0) == (status != 0)

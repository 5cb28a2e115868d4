"""What a trial prints and logs, in a process of its own, as in a worker."""

import subprocess
import sys
from pathlib import Path

from orchestrator.execution.trial_log import LONGEST, shorten

SAID = """
import logging, os, subprocess, sys, warnings
from pathlib import Path
from orchestrator.execution.trial_log import heard_in

def trial():
    {}

try:
    with heard_in(Path(sys.argv[1])):
        trial()
finally:
    print("to the terminal", flush=True)
    logging.getLogger("after").warning("to the terminal too")
"""


def run(path: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run these lines as a trial whose log is at `path`."""
    program = SAID.format("\n    ".join(lines))
    command = [sys.executable, "-X", "faulthandler", "-c", program, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_prints_logs_warnings_and_what_is_written_below_python_are_heard(tmp_path: Path) -> None:
    path = tmp_path / "trial" / "trial.log"
    ended = run(
        path,
        "print('printed')",
        "logging.getLogger('plugin').info('logged %d', 7)",
        "warnings.warn('careful')",
        "os.write(2, b'from C\\n')",
        "subprocess.run(['echo', 'from a child'])",
    )
    heard = path.read_text()
    for words in ("printed\n", "INFO plugin: logged 7\n", "UserWarning: careful\n", "from C\n", "from a child\n"):
        assert words in heard
    assert "terminal" not in heard
    assert (ended.stdout, ended.stderr) == ("to the terminal\n", "to the terminal too\n")


def test_the_traceback_of_what_is_raised_ends_the_log_and_the_error_goes_on(tmp_path: Path) -> None:
    ended = run(tmp_path / "trial.log", "print('begun')", "{}['missing']")
    heard = (tmp_path / "trial.log").read_text()
    assert heard.startswith("begun\nTraceback (most recent call last):\n")
    assert "in trial\n" in heard
    assert heard.endswith("KeyError: 'missing'\n")
    assert "trial_log.py" not in heard
    assert ended.returncode == 1


def test_the_last_words_of_a_process_that_dies_are_heard(tmp_path: Path) -> None:
    run(tmp_path / "trial.log", "print('begun')", "os.abort()")
    heard = (tmp_path / "trial.log").read_text()
    assert heard.startswith("begun\n")
    assert "Fatal Python error: Aborted" in heard


def test_a_trial_that_says_nothing_leaves_no_log_and_a_second_attempt_goes_on_below_the_first(tmp_path: Path) -> None:
    path = tmp_path / "trial.log"
    run(path, "pass")
    assert list(tmp_path.iterdir()) == []
    run(path, "print('first')")
    run(path, "pass")
    run(path, "print('second')")
    assert path.read_text() == "first\nsecond\n"


def test_of_a_log_that_grows_too_long_the_last_part_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "trial.log"
    path.write_bytes(b"x" * LONGEST)
    shorten(path)
    assert path.stat().st_size == LONGEST
    with path.open("ab") as log:
        log.write(b"\nlast words")
    shorten(path)
    first, *_, last = path.read_text().splitlines()
    assert last == "last words"
    assert path.stat().st_size < LONGEST
    left_out = int(first.removeprefix("[").split()[0])
    assert left_out + path.stat().st_size - len(first) - 1 == LONGEST + len("\nlast words")

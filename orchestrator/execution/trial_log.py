"""Writes what a trial prints and logs to a file of its own. Imports neither torch nor Ray, to log from the start."""

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orchestrator.store.logs import FORMAT

LONGEST: Final = 2**20
"""The size in bytes above which a log is cut; the last half of this many bytes is kept."""

_LEVELS: Final = {"": logging.INFO, "ray": logging.WARNING}
"""The level from which loggers are recorded. Ray logs each checkpoint, which the ledger records anyway."""

_STREAMS: Final = (1, 2)
"""The file numbers of standard output and standard error."""


@contextmanager
def heard_in(path: Path) -> Iterator[None]:
    """Append this process's output and logs to a file while the block runs, and the traceback of an exception.

    A block without output leaves no file. Output of other threads of the process is written there too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("ab", buffering=0) as log, _output_into(log.fileno()), _logging_to_output():
            try:
                yield
            except Exception as error:
                _print_traceback(error)
                raise
    finally:
        shorten(path)
        if path.exists() and not path.stat().st_size:
            path.unlink()


def shorten(path: Path) -> None:
    """Cut a log that is longer than `LONGEST` down to its last part; do nothing if it does not exist."""
    if not path.exists() or (size := path.stat().st_size) <= LONGEST:
        return
    with path.open("r+b") as log:
        log.seek(size - LONGEST // 2)
        last = log.read()
        log.truncate(0)
        log.seek(0)
        log.write(f"[{size - len(last)} bytes before this are left out]\n".encode() + last)


@contextmanager
def _output_into(file: int) -> Iterator[None]:
    """Redirect at the file descriptors: this catches output of CUDA and C++, and a killed process loses none of it."""
    _flush()
    before = [os.dup(stream) for stream in _STREAMS]
    for stream in _STREAMS:
        os.dup2(file, stream)
    try:
        yield
    finally:
        _flush()
        for stream, former in zip(_STREAMS, before, strict=True):
            os.dup2(former, stream)
            os.close(former)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


@contextmanager
def _logging_to_output() -> Iterator[None]:
    """Write logs and warnings to the output; repeat warnings that an earlier trial of this process already gave."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    before = {logger: logger.level for logger in map(logging.getLogger, _LEVELS)}
    logging.getLogger().addHandler(handler)
    for logger, level in zip(before, _LEVELS.values(), strict=True):
        logger.setLevel(level)
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)
        logging.getLogger().removeHandler(handler)


def _print_traceback(error: Exception) -> None:
    own = error.__traceback__
    traceback.print_exception(type(error), error, own.tb_next if own else None)

"""What a trial prints and logs, written into a file of its own. No torch, no Ray: a worker's first and last words."""

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
"""Bytes beyond which a log is cut down to its last half, whenever its trial reports."""

_LEVELS: Final = {"": logging.INFO, "ray": logging.WARNING}
"""The level from which loggers are recorded. Ray logs each checkpoint, which the ledger records anyway."""

_STREAMS: Final = (1, 2)
"""The file numbers of standard output and standard error."""


@contextmanager
def heard_in(path: Path) -> Iterator[None]:
    """Append what this process prints and logs to a file while the block runs, and the traceback of what it raises.

    A block that says nothing leaves no file. Whatever else the process does meanwhile is written there too.
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
    """Cut a log that has grown too long down to its last part; one that is not there is short enough."""
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
    """Redirect below Python: CUDA and C++ write there too, and a process that is killed loses none of it."""
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
    """Write logs and warnings to the output; warnings that an earlier trial of this process gave are given again."""
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

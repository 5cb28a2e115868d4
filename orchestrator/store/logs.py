"""Send the messages of libraries into a study's log while it runs."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from orchestrator.store.disk import is_full
from orchestrator.store.remote import StoreLost
from orchestrator.store.store import StudyFolder

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
WARNINGS: Final = "py.warnings"
"""The logger to which the standard library can send warnings."""


@contextmanager
def logging_study(folder: StudyFolder) -> Iterator[None]:
    """Send messages of Optuna and espalier, and all warnings, into the study's log while the block runs."""
    folder.pull_longer(folder.log)
    try:
        with logging_into(folder.log, "optuna", "orchestrator", WARNINGS), _warnings_logged():
            yield
    finally:
        if folder.log.exists():
            with suppress(StoreLost):  # other writes to the store report that
                folder.push(folder.log)


@contextmanager
def logging_into(path: Path, *names: str) -> Iterator[None]:
    """Send messages of these loggers and all below them into a file, not to the terminal, while the block runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = _LogFile(path, encoding="utf-8", delay=True)
    file.setFormatter(logging.Formatter(FORMAT))
    tops, below = [logging.getLogger(name) for name in names], _below(names)
    before = [(logger, logger.handlers[:], logger.propagate) for logger in tops + below]
    for logger in tops:
        logger.handlers, logger.propagate = [file], False
    for logger in below:
        logger.handlers, logger.propagate = [], True
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
        file.close()


@contextmanager
def _warnings_logged() -> Iterator[None]:
    """Log warnings instead of writing them to the terminal."""
    before = warnings.showwarning

    def log(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:  # the caller chose where it goes
            before(message, category, filename, lineno, file, line)
            return
        text = warnings.formatwarning(message, category, filename, lineno, line)
        logging.getLogger(WARNINGS).warning("%s", text.rstrip())

    warnings.showwarning = log
    try:
        yield
    finally:
        warnings.showwarning = before


class _LogFile(logging.FileHandler):
    """A log that stays silent about a full disk, because the study then ends with an error that explains it."""

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if error is None or not is_full(error):
            super().handleError(record)

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:
            if not is_full(error):
                raise


def _below(names: tuple[str, ...]) -> list[logging.Logger]:
    """Return the existing loggers below these names; some libraries give each its own handler."""
    prefixes = tuple(f"{name}." for name in names)
    return [logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if name.startswith(prefixes)]

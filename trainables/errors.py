"""Every error that espalier raises, as a tree; those of the sweep are defined beside what raises them.

    EspalierError                      exit status 1
    ├── RequestRefused                 exit status 2: nothing was started, nothing was written
    │   ├── InvalidValue               a value that a user wrote, with its key and what is allowed (a ValueError)
    │   ├── Refusals                   several of them at once (a ValueError)
    │   ├── StudyError                 a study file, with all that is wrong in it
    │   ├── StudyBusy                  another process drives the study (a RuntimeError)
    │   ├── EvaluationBusy             another process evaluates the study (a RuntimeError)
    │   ├── LedgerDamaged              a ledger is not as it was written
    │   └── Damage                     what is wrong in it, before it is known whose it is
    ├── TrialError                     ends one trial, which is marked FAIL; the study continues
    │   ├── InfeasibleTrial            hyper-parameters that cannot be carried out together (a ValueError)
    │   │   └── ShareTooSmall          a network that cannot become as small as is asked
    │   ├── TrainingDiverged           the loss is no number, or beyond all bounds (a RuntimeError)
    │   ├── NotSettled                 an equilibrium network is far from its equilibrium (a RuntimeError)
    │   ├── RemovalMismatch            a network changed when its filters were removed (a RuntimeError)
    │   ├── GroupBroken                another process of the trial failed (a RuntimeError)
    │   └── Stopped                    the trial's first process has ended it early
    ├── StudyStopped                   the study stopped before its end; what was told is kept (a RuntimeError)
    │   ├── DiskFull                   no space is left
    │   ├── LedgerLost                 the ledger cannot be written any more
    │   ├── StoreLost                  the store cannot be read or written any more
    │   └── NodeLost                   Ray has died on this machine, again and again
    ├── RayNotStarted                  Ray cannot be started on this machine
    ├── DatabaseUnusable               MLflow's database in the store cannot be used
    ├── DatabaseReplaced               it is no longer the file that was written to
    ├── NoRun                          a trial or study has no run in MLflow to which a model could belong
    ├── ExportFailed                   an exported network does not compute what its original does (a RuntimeError)
    └── FileUnusable                   a file or folder that cannot be read or written

The command line catches EspalierError alone, prints its text as one sentence and ends with its exit status.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import ClassVar


class EspalierError(Exception):
    """The parent of all errors that espalier raises; the text is addressed to a user."""

    exit_status: ClassVar[int] = 1
    """The status with which the command line ends."""


class RequestRefused(EspalierError):
    """What was asked for cannot be done as it was asked; nothing was started."""

    exit_status = 2


class TrialError(EspalierError):
    """One trial has ended; the study continues."""


class StudyStopped(EspalierError, RuntimeError):
    """A study has stopped before its end. What was told before is kept."""


class FileUnusable(EspalierError):
    """A file or a folder cannot be read or written."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"{error.filename}: {error.strerror}")


@contextmanager
def naming_files() -> Iterator[None]:
    """Raise FileUnusable for a file that the operating system refuses; an error that names no file is a defect."""
    try:
        yield
    except OSError as error:
        if error.filename is None or error.strerror is None:
            raise
        raise FileUnusable(error) from error


class InvalidValue(RequestRefused, ValueError):
    """A value that a user wrote and that cannot be used.

    `key` is the path of the value from where the message is raised (a caller may prefix it),
    `value` what was found there, `allowed` a phrase saying what is accepted and what to do.
    """

    def __init__(self, key: str, value: object, allowed: str) -> None:
        super().__init__(f"{key} = {value!r}: {allowed}")
        self.key = key
        self.value = value
        self.allowed = allowed

    def __reduce__(self) -> tuple[type, tuple[str, object, str]]:
        return type(self), (self.key, self.value, self.allowed)


class InfeasibleTrial(TrialError, ValueError):
    """Hyper-parameters that are each allowed but cannot be carried out together."""


class ShareTooSmall(InfeasibleTrial):
    """A network that cannot become as small as is asked.

    `key` asks for `share`, `least` can be reached, and `kept` says of what that is and what it takes.
    """

    def __init__(self, key: str, share: float, least: float, kept: str) -> None:
        super().__init__(f"{key} = {share:.4g}: {least:.4f} {kept}; ask for a larger share")
        self.key, self.share, self.least, self.kept = key, share, least, kept

    def __reduce__(self) -> tuple[type, tuple[str, float, float, str]]:
        return type(self), (self.key, self.share, self.least, self.kept)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_name(key: str, name: str, known: Iterable[str]) -> None:
    """Raise InvalidValue unless `name` is one of the `known` names."""
    names = sorted(known)
    if name not in names:
        raise InvalidValue(key, name, f"must be one of {', '.join(names)}{nearest(name, names)}")


class TrainingDiverged(TrialError, RuntimeError):
    """The loss is no number, or so large that it says nothing about the task."""


class NotSettled(TrialError, RuntimeError):
    """The outputs of an equilibrium network are not those of its equilibrium."""


class RemovalMismatch(TrialError, RuntimeError):
    """A network with its filters removed does not compute what the masked one did."""

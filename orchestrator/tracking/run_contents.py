"""What the runs of trials hold in MLflow, as values: tags, params and metrics, and how much of a trial they show."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final, Self

from mlflow.entities import Metric, Param

from orchestrator.ledger.epoch import USAGE_FIELDS, Epoch
from orchestrator.ledger.records import State, TrialRecord, as_row
from orchestrator.tracking.steps import TrackedStudy

STATUS: Final = {State.COMPLETE: "FINISHED", State.PRUNED: "KILLED", State.FAIL: "FAILED"}
UNFINISHED: Final = {State.RUNNING: "RUNNING", State.PAUSED: "SCHEDULED"}
ENDED: Final = frozenset(STATUS.values())
MEASURED: Final = ("accuracy", "loss", "train_loss", "learning_rate", "macs_projected", "params_projected")
CURVES: Final = {name: f"curve/{name}" for name in MEASURED} | {name: f"system/{name}" for name in USAGE_FIELDS}
"""The metrics that show an epoch's fields, by the fields' names in the record."""
LONGEST_TAG: Final = 2000


@dataclass(frozen=True)
class Shown:
    """What an unfinished trial's run shows: its first `epochs`, up to the time `until` in milliseconds."""

    epochs: int
    until: int
    digest: str

    @classmethod
    def of(cls, curve: Sequence[Epoch], until: int) -> Self:
        """Describe a run that shows these epochs."""
        return cls(len(curve), until, _hash([epoch.as_dict() for epoch in curve]))

    @classmethod
    def from_tag(cls, tag: str) -> Self | None:
        """Return what a tag says that `as_tag` wrote; None for a finished trial's digest."""
        match tag.split():
            case ["unfinished", epochs, until, digest]:
                return cls(int(epochs), int(until), digest)
        return None

    @property
    def as_tag(self) -> str:
        """The digest of an unfinished trial's run."""
        return f"unfinished {self.epochs} {self.until} {self.digest}"

    def begins(self, record: TrialRecord) -> bool:
        """Return whether a record continues what is shown."""
        return Shown.of(record.curve[: self.epochs], self.until) == self


def digest(record: TrialRecord) -> str:
    return _hash(as_row(record))


def _hash(plain: object) -> str:
    content = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def common_tags(study: TrackedStudy) -> dict[str, str]:
    commit = {"mlflow.source.git.commit": study.tags["git_commit"]} if "git_commit" in study.tags else {}
    source = {"mlflow.source.name": "espalier", "mlflow.source.type": "LOCAL", **commit}
    return {**source, **{key: _shorten(value) for key, value in study.tags.items()}, "study": study.name}


def trial_tags(record: TrialRecord) -> dict[str, str]:
    tags = {
        "trial": str(record.trial),
        "paradigm": record.paradigm,
        **({"sampler": record.sampler} if record.sampler else {}),
        "state": record.state.value,
        "seed": str(record.seed),
        "fidelity": f"{record.fidelity:.4g}",
        "feasible": str(record.feasible).lower(),
    }
    if record.failure is not None:
        tags["failure"] = record.failure.value
    why = _shorten(record.reason or "")
    return {**tags, "reason": why, "mlflow.note.content": f"{record.state.value}: {why}"} if why else tags


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"


def params(record: TrialRecord) -> list[Param]:
    return [Param(key(name), str(value)) for name, value in record.params.items()]


def curves(record: TrialRecord, shown: Shown | None, end: int | None) -> list[Metric]:
    """Return the epochs that are not yet shown; the last one ended at `end`, in milliseconds.

    The times follow from the record, so that MLflow drops the metrics if they are logged again.
    """
    begin = shown.until if shown and shown.epochs else milliseconds(record.started)
    epochs = record.curve[shown.epochs if shown else 0 :]
    return [
        Metric(key, value, reached, epoch.epoch)
        for epoch, reached in zip(epochs, _times(epochs, begin, end), strict=True)
        for name, key in {**CURVES, **{name: f"curve/{name}" for name in epoch.qualities}}.items()
        if (value := epoch.figure(name)) is not None
    ]


def _times(epochs: Sequence[Epoch], begin: int | None, end: int | None) -> list[int]:
    """Return when each epoch ended: the time from `begin` to `end` is shared out as the epochs took time."""
    if begin is None or end is None:
        return [end or 0] * len(epochs)
    ended = list(accumulate(epoch.seconds for epoch in epochs))
    return [begin + round((end - begin) * seconds / ended[-1]) if ended[-1] > 0 else end for seconds in ended]


def key(name: str) -> str:
    """Return the name with characters that MLflow does not allow in keys replaced."""
    return re.sub(r"[^\w./ :-]", "_", name)[:250]


def milliseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)


NOTHING: Final = Shown.of((), 0)
"""What a run shows that has just been created."""

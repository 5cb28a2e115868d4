"""Trials, their logs and paradigms as objects for programs, which the command line prints as JSON."""

import dataclasses
from collections.abc import Iterable

from orchestrator.ledger.records import TrialRecord
from orchestrator.store.attempts import Attempt
from trainables.paradigms.base import Paradigm


def trial_object(record: TrialRecord, objectives: Iterable[str]) -> dict[str, object]:
    """Return a trial: what identifies it, then its objectives, then everything else that was measured."""
    about = {name: getattr(record, name) for name in ("trial", "paradigm", "state", "fidelity", "seed", "params")}
    sought = {name: record.metrics[name] for name in objectives}
    return {**about, **sought, **record.metrics, "seconds": record.seconds}


def log_object(record: TrialRecord, said: Iterable[Attempt]) -> dict[str, object]:
    """Return why a trial ended and what its attempts printed and logged."""
    about = {name: getattr(record, name) for name in ("trial", "paradigm", "state", "reason", "failure", "attempts")}
    words = [
        {"folder": str(one.folder), "last_word": one.last_word.isoformat(), "log": one.log, "error": one.error}
        for one in said
    ]
    return {**about, "said": words}


def paradigm_object(name: str, paradigm: type[Paradigm]) -> dict[str, object]:
    """Return a paradigm: its axes, its source, its hyper-parameters with their defaults and domains."""
    defaults = {field.name: field.default for field in dataclasses.fields(paradigm)}
    hyperparameters = {
        key: {"default": defaults[key], **{k: v for k, v in dataclasses.asdict(domain).items() if v is not None}}
        for key, domain in paradigm.hyperparameters().items()
    }
    return {
        "name": name,
        "axes": dict(paradigm.axes),
        "source": paradigm.source,
        "hyperparameters": hyperparameters,
    }

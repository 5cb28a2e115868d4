"""Trials, their logs and paradigms as objects for programs, which the command line prints as JSON."""

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import Objectives
from orchestrator.results.reference import drop
from orchestrator.results.replicates import Estimate, Replicates
from orchestrator.results.verification import Verification
from orchestrator.spec.quality import quality_of
from orchestrator.store.attempts import Attempt
from trainables.paradigms.base import Paradigm


def trial_object(record: TrialRecord, objectives: Iterable[str]) -> dict[str, object]:
    """Return a trial: what identifies it, then its objectives, then everything else that was measured.

    `params` is the number of parameters, never the hyper-parameters.
    """
    about = {name: getattr(record, name) for name in ("trial", "paradigm", "state", "fidelity", "seed")}
    measured = {**{name: record.metrics[name] for name in objectives}, **record.metrics}
    chosen = {"hyperparameters": dict(record.params)}
    return {**about, **chosen, **measured, "seconds": record.seconds, "metrics": dict(record.metrics)}


def full_object(record: TrialRecord, objectives: Iterable[str], checkpoint: str | None) -> dict[str, object]:
    """Return everything that is known of a trial; `checkpoint` is where its newest checkpoint lies."""
    attempts = ("attempts", "attempts_failed", "attempts_lost", "pauses")
    more = ("reason", "failure", "feasible", "sampler", "share", *attempts)
    return {
        **trial_object(record, [name for name in objectives if name in record.metrics]),
        **{name: getattr(record, name) for name in more},
        "started": record.started and record.started.isoformat(),
        "finished": record.finished and record.finished.isoformat(),
        "checkpoint": checkpoint,
        "curve": [epoch.as_dict() for epoch in record.curve],
    }


def member_object(record: TrialRecord, objectives: Objectives, reference: TrialRecord | None) -> dict[str, object]:
    """Return a member of a front, with its drop in validation quality against the reference (null without one)."""
    quality = quality_of(objectives)
    return {**trial_object(record, objectives), quality.drop_name: drop(quality, record, reference)}


def mean_object(member: Replicates, rivals: Sequence[int]) -> dict[str, object]:
    """Return a member of a front by the mean: its trials, and each metric's mean with its 95 % interval over seeds.

    The interval is null where there is a single seed. `rivals` are the members by which it may be dominated.
    """
    first = member.first
    estimates = {name: member.estimate(name) for name in member.measured}
    return {
        "trial": first.trial,
        "trials": [record.trial for record in member.records],
        "paradigm": first.paradigm,
        "seeds": [record.seed for record in member.records],
        "hyperparameters": dict(first.params),
        "metrics": {name: _estimate_object(estimate) for name, estimate in estimates.items() if estimate is not None},
        "may_be_dominated_by": list(rivals),
    }


def _estimate_object(estimate: Estimate) -> dict[str, float | None]:
    low, high = estimate.interval or (None, None)
    return {"mean": estimate.mean, "low": low, "high": high}


def log_object(record: TrialRecord, attempts: Iterable[Attempt]) -> dict[str, object]:
    """Return why a trial ended and what its attempts printed and logged."""
    about = {name: getattr(record, name) for name in ("trial", "paradigm", "state", "reason", "failure", "attempts")}
    logs = [
        {"folder": str(a.folder), "last_word": a.last_word.isoformat(), "log": a.log, "error": a.error}
        for a in attempts
    ]
    return {**about, "said": logs}


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


def as_json(value: object) -> str:
    """Return a value as JSON. Numbers that are not finite become null: JSON has no other word for them."""
    return json.dumps(_finite(value), indent=2, allow_nan=False)


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {name: _finite(entry) for name, entry in value.items()}
        case list() | tuple():
            return [_finite(entry) for entry in value]
    return value


def verification_object(answer: Verification) -> dict[str, object]:
    """Return a published result with the trial that answers it; changes in accuracy are shares."""
    published, ours = answer.published, answer.ours
    return {
        "published": published.title,
        "data": published.data,
        "network": published.network,
        "cost": answer.cost,
        "their_folds": published.folds[answer.cost],
        "their_change": published.change,
        "trial": answer.trial,
        "our_folds": ours.folds if ours is not None else None,
        "our_change": ours.accuracy if ours is not None else None,
        "difference": answer.difference,
        "verdict": answer.verdict,
    }

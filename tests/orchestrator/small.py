"""Small studies, and what is needed to look at their ledgers without running them."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.history import write_study
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Assignment, Sweep
from tests.orchestrator import runs
from trainables import paradigms
from trainables.context import Report

FIXED = {
    field.name: field.default
    for field in fields(paradigms.find("magnitude"))
    if "hyper" in field.metadata and field.name not in ("sparsity", "batches", "rounds", "ramp", "stream")
} | {"finetune": 0.7}
"""Magnitude pruning with all that has an effect fixed but the sparsity; early: trials are judged from epoch 2 of 4."""


def study(**changes: Any) -> StudySpec:
    """Return a study of toy trials, without MLflow.

    `trials`, `epochs`, `rungs`, `hopeless`, `hours` and any key can differ.
    """
    search = {
        "sampler": changes.pop("sampler", "random"),
        "trials": changes.pop("trials", 4),
        **changes.pop("search", {}),
    }
    fidelity = {
        "epochs": changes.pop("epochs", 4),
        "rungs": changes.pop("rungs", []),
        "reduction": changes.pop("reduction", 2),
        "hopeless": changes.pop("hopeless", "stop"),
    }
    plain = {
        "name": "small",
        "data": {"name": "digits"},
        "model": {"name": "digits_cnn"},
        "paradigms": {"magnitude": FIXED},
        "search": search,
        "fidelity": fidelity,
        "budget": changes.pop("budget", {"hours": changes.pop("hours", None)}),
        "tracking": "none",
        **changes,
    }
    return StudySpec.model_validate_json(json.dumps(plain))


def ledger_of(spec: StudySpec, folder: Path) -> Ledger:
    return Ledger(Store(folder).study(spec.name), spec)


def launched(spec: StudySpec, folder: Path) -> Ledger:
    """Return the ledger of a study whose file is in the store, which says where the ledger lies."""
    opened = ledger_of(spec, folder)
    write_study(opened.folder.spec, spec)
    return opened


class Silence:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[TrialRecord] = []

    def started(self, *_: object) -> None:
        pass

    def updated(self, record: TrialRecord) -> None:
        self.records.append(record)

    def finished(self, *_: object) -> None:
        pass


def epoch(sweep: Sweep, trial: Assignment, number: int, **changes: Any) -> EpochReport:
    """Return what a toy trial reports of an epoch, as it reaches the driver."""
    chosen = trial.configuration
    made: Report = runs.report(sweep.spec.trial(chosen.paradigm, chosen.params, chosen.seed), number)
    return EpochReport.from_dict({**EpochReport.of(made).as_dict(), **changes})


def run_to_end(sweep: Sweep, trial: Assignment) -> TrialRecord:
    """Let a trial report all its epochs and end."""
    sweep.begin(trial.number)
    for number in range(1, sweep.spec.fidelity.epochs + 1):
        sweep.report(trial.number, epoch(sweep, trial, number))
    sweep.end(trial.number)
    return sweep.ledger.record(trial.number)


def run_all(sweep: Sweep) -> list[TrialRecord]:
    """Run a sweep to its end, one trial after the other."""
    while (trial := sweep.next()) is not None:
        run_to_end(sweep, trial)
    return sweep.ledger.records()

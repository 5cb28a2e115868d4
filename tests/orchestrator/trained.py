"""A study whose trials have really trained, in this process: what their networks are taken from."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from orchestrator.ledger.epoch import EpochReport
from orchestrator.spec.history import write_study
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.store import Store
from orchestrator.store.trial_files import TrialFiles, trial_files
from orchestrator.sweep.sweep import Assignment, Sweep
from tests.orchestrator import small
from trainables.context import Report, SaveCheckpoint
from trainables.trial import run_trial

DENSE, FILTERS, WEIGHTS = range(3)
"""The trials of the study: the dense network, one without half of its filters, one with masked weights."""


def a_trained_study(place: Path, **changes: object) -> StudySpec:
    """Leave a finished study of three trials on a few digits in the store, which takes about two seconds."""
    spec = small.study(
        trials=3,
        epochs=2,
        data={"name": "digits", "subset": 200},
        training={"precision": "float32", "lr": 0.05},
        paradigms={
            "dense": {},
            "magnitude": {**small.FIXED, "sparsity": 0.5, "granularity": "filter"},
            "random": {"sparsity": 0.9},
        },
        **changes,
    )
    train(spec, place)
    return spec


def a_repeated_study(place: Path, **changes: object) -> StudySpec:
    """Leave such a study with two seeds of each configuration, whose front by the mean is not that of single trials."""
    objectives = {"accuracy": "maximize", "macs": "minimize"}
    return a_trained_study(place, seed=2, search={"trials": 6, "seeds": 2}, objectives=objectives, **changes)


def train(spec: StudySpec, place: Path) -> None:
    """Run a study's trials to their end, one after the other, in this process."""
    folder = Store(place).study(spec.name)
    with small.ledger_of(spec, place) as ledger:
        write_study(folder.spec, spec)
        stamp.write(folder.stamp, stamp.stamp(data_hash=""))
        folder.trials.mkdir(exist_ok=True)
        sweep = Sweep(ledger, small.Silence())
        while (trial := sweep.next()) is not None:
            _run(sweep, trial, trial_files(folder))


def _run(sweep: Sweep, trial: Assignment, files: TrialFiles) -> None:
    sweep.begin(trial.number)
    chosen = trial.configuration
    run_trial(sweep.spec.trial(chosen.paradigm, chosen.params, chosen.seed), _Kept(sweep, trial.number, files))
    sweep.end(trial.number)


@dataclass
class _Kept:
    """The context of a trial that keeps its checkpoints as a worker does."""

    sweep: Sweep
    number: int
    files: TrialFiles
    device: str = "cpu"
    cache: Path | None = None
    numbers: "count[int]" = field(default_factory=count)

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        checkpoint = CheckpointRef(f"{self.number:05d}-a", f"checkpoint_{next(self.numbers):06d}")
        self.files.keep(checkpoint, save, self.sweep.ledger.owner(self.number))
        self.sweep.report(self.number, EpochReport.of(report))
        self.sweep.save(self.number, checkpoint)

    def restore(self) -> None:
        return None

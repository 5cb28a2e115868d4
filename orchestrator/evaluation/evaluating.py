"""Evaluates networks of finished trials, in this process or spread over others; this one stores each row at once."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from orchestrator.evaluation.deep_ensembles import candidate, ensemble_within
from orchestrator.evaluation.devices import device_or_default
from orchestrator.evaluation.tasks import Spread, Task, carry_out
from orchestrator.evaluation.wanted import Wanted
from orchestrator.ledger import ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.networks.loading import complete_trial, network_in
from orchestrator.results.ensembles import name_of
from orchestrator.results.reference import dense_reference, reference_first
from orchestrator.results.standings import members
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.evaluations import Evaluations, Row, Setting
from orchestrator.store.store import StudyFolder
from orchestrator.store.trial_files import TrialFiles, trial_files
from trainables import data
from trainables.errors import InvalidValue
from trainables.evaluation.bench import Bench, Condition
from trainables.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from torch import nn

    from trainables.data.dataset import Dataset

AT_ONCE: Final = 32
"""How many networks are held at once, and share the images of a condition."""


@dataclass(frozen=True)
class Evaluated:
    """What a call did: `measured` rows of `trials`, `known` rows that were there, kinds `left_out` with the reason.

    `replaced` are the trials whose ensemble had been chosen among other networks.
    """

    trials: tuple[int, ...]
    measured: int
    known: int
    left_out: Mapping[str, str]
    replaced: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Subject:
    """A trial with its checkpoint, and the conditions under which it has yet to be measured."""

    record: TrialRecord
    checkpoint: CheckpointRef
    missing: tuple[str, ...]


def evaluate(
    folder: StudyFolder,
    cache: Path,
    wanted: Wanted,
    progress: Callable[[int, int], None],
    *,
    trials: Collection[int] = (),
    front: bool = False,
    images: int | None = None,
    seed: int = 0,
    device: str | None = None,
    ensembles: bool = False,
    spread: Spread | None = None,
) -> Evaluated:
    """Measure the COMPLETE `trials` of a study, or those of its front, or all that have a checkpoint.

    With `ensembles`, also the ensemble of these networks for at most the MACs of each of them, and of the dense one;
    those of all networks, of the front's and of named trials are kept side by side.

    Rows that are there already, with the same setting, are not measured again. `progress` is told how many of the
    missing rows are done. `spread` carries tasks out elsewhere; without it, this process measures all networks.
    Raises InvalidValue for what cannot be evaluated, before anything is measured, and EvaluationBusy while another
    process evaluates the study.
    """
    spec, records, files = StudySpec.stored(folder.spec), ledger.read(folder), trial_files(folder)
    _require_classification(spec)
    chosen = list(_with_checkpoints(folder, files, _chosen(spec, records, trials, front)))
    _require_networks(spec, trials, chosen)
    here = device_or_default(device if spread is None else None)  # the others may have GPUs that this process lacks
    dataset = data.load(spec.data, cache).placed(here, spec.data.memory)
    conditions = {condition.name: condition for condition in wanted.conditions(dataset.input_shape)}
    evaluations = Evaluations(folder)
    reference = _reference(folder, files, records)
    run = _Run(folder, files, evaluations, dataset, conditions, reference, images, seed)
    with evaluations.alone():
        subjects = [_Subject(record, kept, run.missing(record, kept)) for record, kept in chosen]
        total = sum(len(subject.missing) for subject in subjects)
        incomplete = [subject for subject in subjects if subject.missing]
        rows = run.rows(incomplete) if spread is None else run.spread_rows(incomplete, spread, cache, device)
        for done, _ in enumerate(rows, start=1):
            progress(done, total)
        replaced = run.measure_ensembles(chosen, name_of(trials, front)) if ensembles else []
    known = len(subjects) * len(conditions) - total
    numbers = tuple(subject.record.trial for subject in subjects)
    return Evaluated(numbers, total, known, wanted.left_out(dataset.input_shape), tuple(replaced))


def _require_networks(
    spec: StudySpec, trials: Collection[int], chosen: Sequence[tuple[TrialRecord, CheckpointRef]]
) -> None:
    lacking = set(trials) - {record.trial for record, _ in chosen}
    if lacking:
        raise InvalidValue("--trial", min(lacking), "has no checkpoint in the store, so no network: leave it out")
    if not chosen:
        allowed = "has no finished trial with a checkpoint in the store: there is no network to evaluate"
        raise InvalidValue("NAME", spec.name, allowed)


def _require_classification(spec: StudySpec) -> None:
    if spec.task != CLASSIFICATION:
        raise InvalidValue("NAME", spec.name, f"has task: {spec.task}, and only classification is evaluated further")


def _chosen(spec: StudySpec, records: Sequence[TrialRecord], trials: Collection[int], front: bool) -> list[TrialRecord]:
    if trials:
        return [complete_trial(records, number) for number in dict.fromkeys(trials)]
    if front:
        by_number = {record.trial: record for record in records}
        on_front = [by_number[one.trial] for one in members(records, spec.objectives, spec.means_within)]
        return reference_first(on_front, dense_reference(records, spec.objectives))
    return [record for record in records if record.state is State.COMPLETE]


def _with_checkpoints(
    folder: StudyFolder, files: TrialFiles, records: Sequence[TrialRecord]
) -> Iterator[tuple[TrialRecord, CheckpointRef]]:
    kept = ledger.all_kept_checkpoints(folder)
    for record in records:
        intact = next((ref for ref in kept.get(record.trial, ()) if files.is_intact(ref)), None)
        if intact is not None:
            yield record, intact


def _reference(
    folder: StudyFolder, files: TrialFiles, records: Sequence[TrialRecord]
) -> tuple[TrialRecord, CheckpointRef] | None:
    dense = dense_reference(records)
    return next(_with_checkpoints(folder, files, [dense] if dense is not None else []), None)


class _Run:
    """One call: what is shared by all networks that it measures."""

    def __init__(
        self,
        folder: StudyFolder,
        files: TrialFiles,
        evaluations: Evaluations,
        dataset: "Dataset",
        conditions: Mapping[str, Condition],
        reference: tuple[TrialRecord, CheckpointRef] | None,
        images: int | None,
        seed: int,
    ) -> None:
        self._folder, self._files, self._evaluations, self._dataset = folder, files, evaluations, dataset
        self._conditions, self._reference, self._images, self._seed = conditions, reference, images, seed

    def missing(self, record: TrialRecord, kept: CheckpointRef) -> tuple[str, ...]:
        """Return the conditions under which a trial has no row with this call's setting."""
        rows, setting = self._evaluations.rows(record.trial), self._setting(kept)
        return tuple(name for name in self._conditions if name not in rows or rows[name].setting != setting)

    def rows(self, subjects: Sequence[_Subject]) -> Iterator[Row]:
        """Measure and store the missing rows: of some networks at once, each condition for all of them."""
        reference = self._network(*self._reference) if self._reference is not None and subjects else None
        bench = Bench(self._dataset, reference, images=self._images, seed=self._seed)
        for some in (subjects[start : start + AT_ONCE] for start in range(0, len(subjects), AT_ONCE)):
            networks = {subject.record.trial: self._network(subject.record, subject.checkpoint) for subject in some}
            for name, condition in self._conditions.items():
                for subject in some:
                    if name in subject.missing:
                        columns = bench.measure(condition, networks[subject.record.trial])
                        row = Row(name, self._setting(subject.checkpoint), columns)
                        self._evaluations.keep(subject.record.trial, row)
                        yield row

    def spread_rows(
        self, subjects: Sequence[_Subject], spread: Spread, cache: Path, device: str | None
    ) -> Iterator[Row]:
        """Have the missing rows measured by others, and store them here."""
        checkpoints = {subject.record.trial: subject.checkpoint for subject in subjects}
        for task, measured in spread(carry_out, list(self.tasks(subjects, cache, device))):
            for trial, columns in measured.items():
                row = Row(task.condition.name, self._setting(checkpoints[trial]), columns)
                self._evaluations.keep(trial, row)
                yield row

    def tasks(self, subjects: Sequence[_Subject], cache: Path, device: str | None) -> Iterator[Task]:
        """Yield the tasks that measure the missing rows, each of one condition."""
        reference = ((self._reference[0].trial, self._reference[1]),) if self._reference is not None else ()
        for name, condition in self._conditions.items():
            lacking = [subject for subject in subjects if name in subject.missing]
            for start in range(0, len(lacking), AT_ONCE):
                networks = tuple((one.record.trial, one.checkpoint) for one in lacking[start : start + AT_ONCE])
                yield Task(
                    self._folder.store,
                    self._folder.path.name,
                    cache,
                    condition,
                    networks,
                    reference,
                    self._images,
                    self._seed,
                    device,
                )

    def measure_ensembles(self, chosen: Sequence[tuple[TrialRecord, CheckpointRef]], name: str) -> list[int]:
        """Measure and store the ensemble for the MACs of each trial that has none of these networks under a name.

        All test images are taken, as for the metrics of single trials. Return the trials that had one of others.
        """
        pool = hashlib.sha256("\n".join(sorted(str(kept) for _, kept in chosen)).encode()).hexdigest()
        setting = Setting(f"{len(chosen)} networks, {pool[:16]}", 0, None, None)
        budgets = {record.trial: record.metrics["macs"] for record, _ in [*chosen, *filter(None, [self._reference])]}
        rows = {trial: self._evaluations.rows(trial).get(name) for trial in budgets}
        missing = [trial for trial, row in rows.items() if row is None or row.setting != setting]
        if not missing:
            return []
        candidates = {
            record.trial: candidate(record.metrics["macs"], self._network(record, kept), self._dataset)
            for record, kept in chosen
        }
        for trial in missing:
            found = ensemble_within(budgets[trial], candidates, self._dataset, name)
            self._evaluations.keep(trial, Row(name, setting, found.columns, found.members))
        return [trial for trial in missing if rows[trial] is not None]

    def _setting(self, kept: CheckpointRef) -> Setting:
        reference = self._reference[0].trial if self._reference is not None else None
        return Setting(str(kept), self._seed, self._images, reference)

    def _network(self, record: TrialRecord, kept: CheckpointRef) -> "nn.Module":
        return network_in(self._folder, record, self._files, kept).model.to(self._dataset.test.device)

"""Trials that begin with the same dense training train it once, and end as if each had trained it itself."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from tests.conftest import Interrupted, MemoryContext, computed
from trainables import shared_training
from trainables.context import Report, SaveCheckpoint
from trainables.shared_training import METRIC
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=80),
    model=ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]}),
    training=TrainingSpec(batch_size=40, shared_dense=True),
    paradigm="magnitude",
    hyperparameters={"sparsity": 0.5, "finetune": 0.4},
    epochs=5,
)
DENSE = 3
"""The epochs before the first pruning."""
PRUNED: Mapping[str, Value] = {"sparsity": 0.9, "finetune": 0.4, "granularity": "filter"}


def context(folder: Path, name: str, **changes: Any) -> MemoryContext:
    return MemoryContext(folder / name, cache=folder / "cache", **changes)


def run(spec: TrialSpec, where: MemoryContext) -> list[Report]:
    run_trial(spec, where)
    return where.reports


def measured(reports: list[Report]) -> dict[str, float]:
    return {name: value for name, value in computed(reports[-1]).items() if name != METRIC}


def learned(reports: list[Report]) -> list[object]:
    """Return what does not depend on time, nor on the network by which costs are foretold."""
    return [(one.epoch, one.fidelity, one.stage, one.accuracy, one.loss, one.train_loss) for one in reports]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache").glob("dense-*.pt"))


def alone(spec: TrialSpec, folder: Path) -> list[Report]:
    return run(replace(spec, training=replace(spec.training, shared_dense=False)), context(folder, "alone"))


@pytest.mark.parametrize(
    ("paradigm", "values", "dense"),
    [
        ("magnitude", PRUNED, DENSE),
        ("magnitude", {**PRUNED, "schedule": "gradual", "granularity": "weight"}, DENSE),
        ("greg", {"granularity": "filter", "sparsity": 0.5}, 1),
        ("orthp", {}, 3),
        ("lottery_ticket", {"rounds": 1, "rewind_epoch": 1.0}, 3),
    ],
)
def test_the_second_trial_takes_the_dense_training_and_ends_as_if_it_had_trained_itself(
    paradigm: str, values: Mapping[str, Value], dense: int, tmp_path: Path
) -> None:
    spec = replace(SPEC, paradigm=paradigm, hyperparameters=values)
    expected = alone(spec, tmp_path)
    first, second = (run(spec, context(tmp_path, name)) for name in ("first", "second"))
    for reports in (first, second):
        assert learned(reports) == learned(expected)
        assert measured(reports) == measured(expected)
    assert [one[-1].metrics[METRIC] for one in (first, second)] == [0, dense]
    assert [report.seconds == 0 for report in second] == [True] * dense + [False] * (len(second) - dense)
    assert {report.macs_projected for report in second[:dense]} == {first[0].macs_projected}


def test_another_pruning_takes_the_same_training(tmp_path: Path) -> None:
    run(SPEC, context(tmp_path, "first"))
    other = replace(SPEC, hyperparameters=PRUNED)
    assert run(other, context(tmp_path, "second"))[-1].metrics[METRIC] == DENSE
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, seed=1),
        replace(SPEC, training=replace(SPEC.training, lr=0.05)),
        replace(SPEC, hyperparameters={**SPEC.hyperparameters, "finetune": 0.6}),
        replace(SPEC, data=replace(SPEC.data, split_seed=3)),
        replace(SPEC, model=ModelSpec(name="mlp")),
    ],
)
def test_what_differs_in_anything_trains_itself(other: TrialSpec, tmp_path: Path) -> None:
    run(SPEC, context(tmp_path, "first"))
    assert run(other, context(tmp_path, "second"))[-1].metrics[METRIC] == 0
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize("paradigm", ["dense", "snip", "complexity_aware"])
def test_what_has_no_dense_training_before_pruning_shares_none(paradigm: str, tmp_path: Path) -> None:
    reports = run(replace(SPEC, paradigm=paradigm, hyperparameters={}, epochs=1), context(tmp_path, "first"))
    assert METRIC not in reports[-1].metrics
    assert files(tmp_path) == []


def test_given_weights_are_part_of_what_is_shared(tmp_path: Path) -> None:
    from trainables import models

    shape = (1, 8, 8)
    for number in (1, 2):
        torch.manual_seed(number)
        network = models.build("digits_cnn", classes=10, input_shape=shape, options=SPEC.model.options)
        torch.save(network.state_dict(), tmp_path / f"{number}.pt")
    given = [replace(SPEC, model=replace(SPEC.model, weights=str(tmp_path / f"{n}.pt"))) for n in (1, 2, 1)]
    shared = [run(spec, context(tmp_path, str(n)))[-1].metrics[METRIC] for n, spec in enumerate(given)]
    assert shared == [0, 0, DENSE]


def test_after_a_kill_another_trial_continues_where_the_training_stood_and_the_first_follows_it(tmp_path: Path) -> None:
    expected = alone(SPEC, tmp_path)
    killed = context(tmp_path, "killed", stop_after=2)
    with pytest.raises(Interrupted):
        run_trial(SPEC, killed)
    other = run(SPEC, context(tmp_path, "other"))
    assert (other[-1].metrics[METRIC], learned(other)) == (2, learned(expected))
    resumed = run(SPEC, context(tmp_path, "resumed", resume_from=killed.checkpoints[-1]))
    assert resumed[-1].metrics[METRIC] == 1
    assert learned(killed.reports + resumed) == learned(expected)
    assert measured(resumed) == measured(other) == measured(expected)


def test_a_trial_that_was_killed_after_taking_the_training_does_not_need_its_file_any_more(tmp_path: Path) -> None:
    first = run(SPEC, context(tmp_path, "first"))
    killed = context(tmp_path, "killed", stop_after=DENSE)
    with pytest.raises(Interrupted):
        run_trial(SPEC, killed)
    (tmp_path / "cache" / files(tmp_path)[0]).unlink()
    resumed = run(SPEC, context(tmp_path, "resumed", resume_from=killed.checkpoints[-1]))
    assert measured(resumed) == measured(first)
    assert resumed[-1].metrics[METRIC] == DENSE


def test_a_damaged_file_is_trained_again(tmp_path: Path) -> None:
    first = run(SPEC, context(tmp_path, "first"))
    (name,) = files(tmp_path)
    (tmp_path / "cache" / name).write_bytes(b"nothing")
    second = run(SPEC, context(tmp_path, "second"))
    assert (second[-1].metrics[METRIC], measured(second)) == (0, measured(first))
    assert run(SPEC, context(tmp_path, "third"))[-1].metrics[METRIC] == DENSE


@dataclass
class Keeping(MemoryContext):
    """A context that keeps the shared file as it is after each epoch."""

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        assert self.cache is not None
        for path in self.cache.glob("dense-*.pt"):
            (self.folder / f"after-{report.epoch}.pt").parent.mkdir(parents=True, exist_ok=True)
            (self.folder / f"after-{report.epoch}.pt").write_bytes(path.read_bytes())
        super().report(report, save)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Report], str]:
    """The shared file after each epoch, the reports of who trained it, and the file's name."""
    folder = tmp_path_factory.mktemp("kept")
    where = Keeping(folder / "first", cache=folder / "cache")
    run_trial(SPEC, where)
    return folder / "first", where.reports, files(folder)[0]


def test_while_another_trial_trains_its_epochs_are_reported_as_they_appear(
    kept: tuple[Path, list[Report], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, expected, name = kept
    monkeypatch.setattr(shared_training, "POLL", 0.01)
    (tmp_path / "cache").mkdir()
    lock, path = FileLock((tmp_path / "cache" / name).with_suffix(".lock")), tmp_path / "cache" / name
    follower = _Waiting(tmp_path / "follower", cache=tmp_path / "cache")
    with lock:
        running = threading.Thread(target=run_trial, args=(SPEC, follower))
        running.start()
        for epoch in range(1, DENSE + 1):
            draft = tmp_path / "draft"
            draft.write_bytes((source / f"after-{epoch}.pt").read_bytes())
            draft.replace(path)
            follower.wait_for(epoch)
        running.join()
    assert learned(follower.reports) == learned(expected)
    assert follower.reports[-1].metrics[METRIC] == DENSE
    assert measured(follower.reports) == measured(expected)
    empty = [not any(checkpoint.iterdir()) for checkpoint in follower.checkpoints]
    assert empty[:DENSE] == [True] * (DENSE - 1) + [False]


class _Waiting(MemoryContext):
    """A context that tells another thread which epochs were reported."""

    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__(folder, cache=cache)
        self._changed = threading.Condition()

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        with self._changed:
            super().report(report, save)
            self._changed.notify_all()

    def wait_for(self, epoch: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.reports) >= epoch, timeout=60)


@pytest.mark.parametrize("trained", [0, 2])
def test_a_trial_does_not_wait_for_one_that_makes_no_progress(
    kept: tuple[Path, list[Report], str], trained: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, expected, name = kept
    for constant in ("POLL", "PATIENCE", "SLOWER", "LEAST"):
        monkeypatch.setattr(shared_training, constant, 0)
    path = tmp_path / "cache" / name
    path.parent.mkdir()
    if trained:
        path.write_bytes((source / f"after-{trained}.pt").read_bytes())
    before = path.read_bytes() if trained else None
    impatient = context(tmp_path, "impatient")
    with FileLock(path.with_suffix(".lock")):
        thread = threading.Thread(target=run_trial, args=(SPEC, impatient))
        thread.start()
        thread.join()
    assert learned(impatient.reports) == learned(expected)
    assert impatient.reports[-1].metrics[METRIC] == trained
    assert (path.read_bytes() if path.exists() else None) == before

"""The ledger: what is written is read again, whatever happened to the driver in between."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages.journal import JournalFileBackend

from orchestrator.ledger import ledger
from orchestrator.ledger.budget import Spending
from orchestrator.ledger.journal import StudyBusy
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.records import State
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import seal
from orchestrator.store.store import StudyFolder
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.verdict import Decision, Verdict
from tests.orchestrator.small import Silence, epoch, launched, ledger_of, run_all, run_to_end, study


def test_a_reader_sees_what_the_driver_wrote(tmp_path: Path, place: str) -> None:
    with launched(study(ledger=place), tmp_path) as driver:
        records = run_all(Sweep(driver, Silence()))
        assert ledger.read(driver.folder) == records
    assert ledger.read(driver.folder) == records
    assert [record.state for record in records] == [State.COMPLETE] * 4
    last = records[-1]
    assert last.metrics.keys() == {"accuracy", "macs"}
    assert [point.epoch for point in last.curve] == [1, 2, 3, 4]
    assert (last.fidelity, last.attempts, last.seconds) == (1.0, 1, 2.0)
    assert last.started is not None
    assert last.finished is not None
    assert last.started <= last.finished
    assert last.finished.tzinfo is not None


def test_the_journal_opened_with_optuna_holds_what_was_drawn(tmp_path: Path) -> None:
    with launched(study(), tmp_path) as driver:
        records = run_all(Sweep(driver, Silence()))
    journal_of_optuna = optuna.storages.JournalStorage(JournalFileBackend(str(driver.folder.journal)))
    opened = optuna.load_study(study_name="small", storage=journal_of_optuna)
    assert opened.metric_names == ["accuracy", "macs"]
    told = opened.trials
    assert [trial.values for trial in told] == [[r.metrics["accuracy"], r.metrics["macs"]] for r in records]
    assert [trial.params["magnitude.sparsity"] for trial in told] == [one.params["sparsity"] for one in records]
    assert all(trial.params.keys() == trial.distributions.keys() for trial in told)


def test_of_a_study_that_was_never_begun_there_is_nothing_to_read(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "absent")
    assert ledger.read(folder) == []
    assert not folder.path.exists()
    folder.path.mkdir()
    folder.journal.touch()
    assert ledger.read(folder) == []


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(1, 400))
def test_a_torn_journal_is_readable_untouched_and_can_be_driven_again(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tmp_path = tmp_path_factory.mktemp("torn")
    with ledger_of(study(trials=2, epochs=2), tmp_path) as driver:
        run_all(Sweep(driver, Silence()))
    path = driver.folder.journal
    driver.folder.witness.unlink()  # a crash comes before it
    torn = path.read_bytes()[:-cut]
    path.write_bytes(torn)
    assert len(ledger.read(driver.folder)) == 2
    assert path.read_bytes() == torn
    with ledger_of(driver.spec, tmp_path) as again:
        records = run_all(Sweep(again, Silence()))
    assert [record.state for record in records] == [State.COMPLETE] * 2
    assert ledger.read(driver.folder) == records
    assert torn.startswith(path.read_bytes()[: torn.rfind(b"\n") + 1])


def test_a_second_driver_is_refused_and_told_who_drives(tmp_path: Path, place: str) -> None:
    with launched(study(ledger=place), tmp_path) as first:
        assert journal_location_of(first.folder).is_driven()
        with pytest.raises(StudyBusy, match=f"'small'.*process {os.getpid()} on"):
            ledger_of(first.spec, tmp_path)
    assert not journal_location_of(first.folder).is_driven()
    ledger_of(first.spec, tmp_path).close()


def test_what_was_asked_and_not_told_is_unfinished_with_its_checkpoint(tmp_path: Path, place: str) -> None:
    with launched(study(ledger=place), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        told, begun, asked = sweep.next(), sweep.next(), sweep.next()
        assert told is not None
        assert begun is not None
        assert asked is not None
        run_to_end(sweep, told)
        sweep.begin(begun.number)
        sweep.report(begun.number, epoch(sweep, begun, 1))
        checkpoint = CheckpointRef("00001-x", "checkpoint_000000")
        driver.folder.checkpoint(checkpoint).mkdir(parents=True)
        (driver.folder.checkpoint(checkpoint) / "epoch").write_text("1")
        seal(driver.folder.checkpoint(checkpoint), driver.owner(begun.number))
        sweep.save(begun.number, checkpoint)
    with ledger_of(driver.spec, tmp_path) as again:
        first, second = again.unfinished()
        assert Sweep(again, Silence()).next() == replace(begun, checkpoint=checkpoint)
    assert (first.number, first.configuration) == (begun.number, begun.configuration)
    assert (second.number, second.configuration) == (asked.number, asked.configuration)


def test_a_study_that_was_moved_finds_its_checkpoints(tmp_path: Path) -> None:
    with ledger_of(study(), tmp_path / "here") as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        checkpoint = CheckpointRef("00000-x", "checkpoint_000000")
        driver.folder.checkpoint(checkpoint).mkdir(parents=True)
        sweep.save(trial.number, checkpoint)
    (tmp_path / "here").rename(tmp_path / "there")
    with ledger_of(study(), tmp_path / "there") as again:
        assert again.checkpoints(0) == [checkpoint]
        assert again.folder.checkpoint(checkpoint).is_dir()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metrics": {"accuracy": 0.5}}, "metric 'macs' missing"),
        ({"metrics": {"accuracy": math.nan, "macs": 1.0}}, "accuracy is nan"),
        ({"metrics": {"accuracy": 0.5, "macs": math.inf}}, "macs is inf"),
        ({"metrics": {"accuracy": 0.5, "macs": 1.0}}, "metric 'loss' missing"),
        ({"fidelity": 0.75}, "ended at fidelity 0.75"),
    ],
)
def test_a_trial_that_lacks_anything_fails_and_says_what(
    tmp_path: Path, place: str, changes: dict[str, object], reason: str
) -> None:
    with launched(study(constraints={"loss": "<= 0.5"}, ledger=place), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        sweep.report(trial.number, epoch(sweep, trial, 4, **changes))
        sweep.end(trial.number)
    (record, *_) = ledger.read(driver.folder)
    assert (record.state, record.reason, record.metrics) == (State.FAIL, reason, {})


def test_a_trial_that_reports_nothing_fails(tmp_path: Path) -> None:
    with ledger_of(study(), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.end(trial.number)
    assert ledger.read(driver.folder)[0].reason == "ended without a report"


@pytest.mark.parametrize(
    ("constraint", "feasible"),
    [(">= 0.904", True), ("> 0.904", False), ("<= 0.904", True), ("< 0.91", True), (">= 0.95", False)],
)
def test_a_bound_decides_what_is_feasible_to_the_last_digit(tmp_path: Path, constraint: str, feasible: bool) -> None:
    paradigms = {"magnitude": {"sparsity": 0.0}}
    with ledger_of(study(constraints={"accuracy": constraint}, paradigms=paradigms, trials=1), tmp_path) as driver:
        (record,) = run_all(Sweep(driver, Silence()))
    assert record.metrics["accuracy"] == 0.904
    assert (record.state, record.feasible) == (State.COMPLETE, feasible)


def test_what_a_killed_driver_noted_of_a_constraint_gives_way_to_what_came_after(tmp_path: Path) -> None:
    with ledger_of(study(constraints={"accuracy": ">= 0.5"}, trials=1), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        optuna.Trial(driver.study, driver._ids[trial.number]).set_constraint("accuracy", 0.4)
        record = run_to_end(sweep, trial)
        (told,) = driver.study.trials
    assert record.feasible
    assert told.constraints == {"accuracy": pytest.approx(0.5 - record.metrics["accuracy"])}


def test_reports_of_a_lost_attempt_do_not_outlive_what_came_after(tmp_path: Path) -> None:
    with ledger_of(study(), tmp_path) as driver:
        sweep = Sweep(driver, Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        for number in (1, 2, 3):
            sweep.report(trial.number, epoch(sweep, trial, number))
        sweep.begin(trial.number)
        sweep.report(trial.number, epoch(sweep, trial, 2))
        sweep.end(trial.number, Verdict(Decision.STOP, "hopeless"))
    record = ledger.read(driver.folder)[0]
    assert (record.state, record.fidelity, record.attempts) == (State.PRUNED, 0.5, 2)
    assert [point.epoch for point in record.curve] == [1, 2]
    assert record.seconds == 2.0


def test_the_time_spent_outlives_the_driver(tmp_path: Path, place: str) -> None:
    with launched(study(ledger=place), tmp_path) as driver:
        assert driver.spent == Spending()
        driver.spent = Spending(seconds=12.5)
    with ledger_of(driver.spec, tmp_path) as again:
        assert again.spent == Spending(seconds=12.5)


def test_reading_a_ledger_imports_neither_torch_nor_ray() -> None:
    costly = {"torch", "ray", "mlflow", "psycopg"}
    code = f"import sys, orchestrator.ledger.ledger, orchestrator.study; print({costly} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"

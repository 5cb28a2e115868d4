"""A study's runs in MLflow, written by its own calls into a real database."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import pareto_front
from orchestrator.tracking.steps import TrackedStudy
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.mlflow_runs import artifact, mlflow_may_warn, open_runs, parent, rows, runs, trials


def test_a_child_run_holds_parameters_final_metrics_curves_and_tags(study: TrackedStudy) -> None:
    record = told_trial(3)
    open_runs(study).tell(record)
    (run,) = runs(study)
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in record.params.items()}
    assert record.metrics.items() <= run.data.metrics.items()
    assert run.data.metrics["curve/accuracy"] == record.curve[-1].accuracy
    assert run.data.metrics["system/peak_memory"] == record.curve[-1].peak_memory
    expected = {
        "study": "example",
        "trial": "3",
        "paradigm": "magnitude",
        "state": "COMPLETE",
        "seed": "103",
        "fidelity": "1",
        "git_commit": "c0ffee",
        "data_hash": "0123",
        "mlflow.parentRunId": parent(study).info.run_id,
    }
    assert expected.items() <= run.data.tags.items()
    assert (run.info.start_time, run.info.end_time) == tuple(
        int(t.timestamp() * 1000) for t in (record.started, record.finished) if t
    )


def test_a_curve_has_one_point_per_epoch_at_its_own_time(study: TrackedStudy, database: Path) -> None:
    record = told_trial(3)
    open_runs(study).tell(record)
    found = rows(database, "select step, value, timestamp from metrics where key = 'curve/accuracy'")
    assert record.started is not None
    begin = int(record.started.timestamp() * 1000)
    assert found == [(epoch.epoch, epoch.accuracy, begin + 1000 * epoch.epoch) for epoch in record.curve]


def test_the_study_s_own_run_begins_with_its_first_trial_and_ends_with_its_last(study: TrackedStudy) -> None:
    writer, records = open_runs(study), told_trials(4)
    writer.show_front(records)
    writer.end("FINISHED")
    info = parent(study).info
    first, last = records[0].started, records[-1].finished
    assert first is not None
    assert last is not None
    assert (info.start_time, info.end_time) == (int(first.timestamp() * 1000), int(last.timestamp() * 1000))
    writer.end("KILLED")
    assert parent(study).info.end_time > int(last.timestamp() * 1000)


def test_states_become_statuses_and_partial_trials_have_no_final_accuracy(study: TrackedStudy) -> None:
    writer = open_runs(study)
    for number in (3, 4, 6):
        writer.tell(told_trial(number))
    found = runs(study)
    assert [run.info.status for run in found] == ["FINISHED", "KILLED", "FAILED"]
    assert [run.data.tags.get("reason") for run in found] == [None, "stopped at epoch 2", "accuracy is NaN"]
    assert [run.data.tags.get("failure") for run in found] == [None, None, "error"]
    assert ["accuracy" in run.data.metrics for run in found] == [True, False, False]


def test_writing_everything_again_changes_nothing(study: TrackedStudy, database: Path) -> None:
    tables = ["runs", "params", "tags", "metrics", "latest_metrics", "experiment_tags"]
    contents = []
    for _ in range(2):
        writer, records = open_runs(study), told_trials(8)
        for record in [*records, *records]:
            writer.tell(record)
        writer.keep_only(range(8))
        writer.show_front(records)
        contents.append({table: rows(database, f"select * from {table}") for table in tables})
    assert contents[0] == contents[1]
    assert trials(runs(study)) == list(range(8))


def test_a_run_that_was_cut_short_is_completed_rather_than_written_twice(
    study: TrackedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_runs(study)
    with monkeypatch.context() as patch:
        patch.setattr(writer._client, "log_batch", _away)
        with pytest.raises(OSError, match="away"):
            writer.tell(told_trial(3))
    assert [run.info.status for run in runs(study)] == ["RUNNING"]
    open_runs(study).tell(told_trial(3))
    (run,) = runs(study)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["accuracy"] == told_trial(3).metrics["accuracy"]


def test_a_run_written_from_another_record_is_replaced(study: TrackedStudy) -> None:
    open_runs(study).tell(told_trial(3))
    open_runs(study).tell(replace(told_trial(3), params={"sparsity": 0.1}))
    (run,) = runs(study)
    assert run.data.params == {"sparsity": "0.1"}


def test_more_metrics_and_parameters_than_mlflow_takes_at_once_all_arrive(study: TrackedStudy) -> None:
    epochs = tuple(replace(told_trial(3).curve[0], epoch=number) for number in range(1, 401))
    params = {f"p{number}": number for number in range(230)}
    open_runs(study).tell(replace(told_trial(3), curve=epochs, params=params, metrics={"odd(name)": 1.0}))
    (run,) = runs(study)
    assert len(run.data.params) == 230
    assert run.data.metrics["odd_name_"] == 1.0
    from mlflow import MlflowClient

    with mlflow_may_warn():
        assert len(MlflowClient(study.uri).get_metric_history(run.info.run_id, "curve/loss")) == 400


def test_a_study_of_more_trials_than_mlflow_takes_metrics_at_once_shows_its_whole_growth(
    study: TrackedStudy, database: Path
) -> None:
    many = [replace(told_trial(number % 4), trial=number) for number in range(1100)]
    open_runs(study).show_front(many)
    assert rows(database, "select count(*) from metrics where key = 'hypervolume'") == [(1100,)]


def test_on_front_finds_the_members_and_only_the_present_ones(study: TrackedStudy) -> None:
    writer, records = open_runs(study), told_trials(8)
    for record in records:
        writer.tell(record)
    best = replace(records[3], metrics={**records[3].metrics, "accuracy": 1.0, "macs": 1.0})
    for known in (records, [*records[:3], best, *records[4:]], records):
        writer.show_front(known)
        members = {record.trial for record in pareto_front(known, OBJECTIVES)}
        assert set(trials(runs(study, "tags.on_front = 'true'"))) == members
    writer = open_runs(study)
    writer.show_front([])
    assert runs(study, "tags.on_front = 'true'") == []


def test_the_parent_shows_the_front_as_table_picture_and_words(study: TrackedStudy) -> None:
    writer, records = open_runs(study), told_trials(8)
    writer.show_front(records)
    table = json.loads(artifact(study, "front.json").read_text())
    front = pareto_front(records, OBJECTIVES)
    assert [row[table["columns"].index("trial")] for row in table["data"]] == [record.trial for record in front]
    assert artifact(study, "front.png").read_bytes().startswith(b"\x89PNG")
    tags = parent(study).data.tags
    assert "8 trials: 6 complete, 1 stopped early, 1 failed" in tags["mlflow.note.content"]
    assert json.loads(tags["mlflow.loggedArtifacts"]) == [{"path": "front.json", "type": "table"}]
    assert parent(study).data.metrics["front_members"] == len(front)


def running(epochs: int, state: State = State.RUNNING) -> TrialRecord:
    record = told_trial(3)
    return replace(record, state=state, metrics={}, curve=record.curve[:epochs], finished=None)


def after(seconds: float) -> datetime:
    begin = told_trial(3).started
    assert begin is not None
    return begin + timedelta(seconds=seconds)


def curve_of(database: Path, key: str = "curve/accuracy") -> list[tuple[int, float, int]]:
    """Each epoch with its accuracy, and when it was reached, in seconds from the trial's begin."""
    begin = int(after(0).timestamp() * 1000)
    found = rows(database, f"select step, value, timestamp - {begin} from metrics where key = '{key}'")
    return [(step, value, milliseconds // 1000) for step, value, milliseconds in found]


def test_a_running_trial_shows_its_epochs_so_far_each_once_at_its_own_time(study: TrackedStudy, database: Path) -> None:
    writer, accuracy = open_runs(study), [epoch.accuracy for epoch in told_trial(3).curve]
    writer.show(running(0), after(10))
    assert [run.info.status for run in runs(study)] == ["RUNNING"]
    writer.show(running(1), after(20))
    writer.show(running(3), after(40))
    writer.show(running(3), after(60))
    (run,) = runs(study)
    assert (run.info.status, run.info.end_time) == ("RUNNING", None)
    assert run.data.params == {name: str(value) for name, value in told_trial(3).params.items()}
    assert curve_of(database) == list(zip([1, 2, 3], accuracy, [20, 30, 40], strict=False))


def test_a_finished_trial_completes_the_run_that_showed_it_running(study: TrackedStudy, database: Path) -> None:
    writer, told = open_runs(study), told_trial(3)
    writer.show(running(2), after(1))
    (before,) = runs(study)
    writer.tell(told)
    writer.tell(told)
    (run,) = runs(study)
    assert run.info.run_id == before.info.run_id
    assert (run.info.status, run.info.end_time) == ("FINISHED", int((told.finished or after(0)).timestamp() * 1000))
    assert [step for step, *_ in curve_of(database)] == [epoch.epoch for epoch in told.curve]
    assert told.metrics.items() <= run.data.metrics.items()
    assert run.data.tags["state"] == "COMPLETE"
    contents = rows(database, "select * from metrics")
    open_runs(study).tell_some([told])
    assert rows(database, "select * from metrics") == contents


def test_epochs_that_were_repeated_from_a_checkpoint_replace_those_that_were_shown(
    study: TrackedStudy, database: Path
) -> None:
    writer = open_runs(study)
    writer.show(running(3), after(30))
    first, *others = running(4).curve
    again = replace(running(4), curve=(first, *(replace(epoch, accuracy=0.5) for epoch in others)))
    writer.show(again, after(60))
    (run,) = runs(study)
    where = f"where key = 'curve/accuracy' and run_uuid = '{run.info.run_id}'"
    shown = [value for _, value in rows(database, f"select step, value from metrics {where}")]
    assert shown == [first.accuracy, 0.5, 0.5, 0.5]


def test_a_paused_trial_is_scheduled(study: TrackedStudy) -> None:
    writer = open_runs(study)
    writer.show(running(1, State.PAUSED), after(1))
    writer.end("KILLED")
    assert [run.info.status for run in runs(study)] == ["SCHEDULED"]


def test_no_driver_leaves_a_run_running_and_the_next_one_resumes_it(study: TrackedStudy, database: Path) -> None:
    open_runs(study).show(running(2), after(20))
    writer = open_runs(study)
    (run,) = runs(study)
    assert run.info.status == "KILLED"
    writer.keep_only([], unfinished=[3])
    writer.show(running(3), after(500))
    (resumed,) = runs(study)
    assert (resumed.info.run_id, resumed.info.status) == (run.info.run_id, "RUNNING")
    assert [(step, time) for step, _, time in curve_of(database)] == [(1, 10), (2, 20), (3, 500)]
    writer.end("KILLED")
    assert [run.info.status for run in runs(study)] == ["KILLED"]


def test_a_run_whose_writer_died_before_it_noted_what_it_had_written_is_replaced(
    study: TrackedStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_runs(study)
    writer.show(running(1), after(10))
    with monkeypatch.context() as patch:
        patch.setattr(writer._client, "set_tag", _away)
        with pytest.raises(OSError, match="away"):
            writer.show(running(2), after(20))
    writer = open_runs(study)
    assert runs(study) == []
    writer.show(running(2), after(30))
    assert [run.info.status for run in runs(study)] == ["RUNNING"]


def test_a_run_of_a_trial_that_is_no_longer_known_to_have_finished_is_deleted(study: TrackedStudy) -> None:
    writer = open_runs(study)
    writer.tell(told_trial(3))
    writer.keep_only([], unfinished=[3])
    assert runs(study) == []


def test_a_study_whose_experiment_was_deleted_comes_back(study: TrackedStudy) -> None:
    from mlflow import MlflowClient

    open_runs(study).tell(told_trial(3))
    with mlflow_may_warn():
        client = MlflowClient(study.uri)
        client.delete_experiment(client.get_experiment_by_name("example").experiment_id)
    open_runs(study).tell(told_trial(3))
    assert trials(runs(study)) == [3]


def _away(*_: object, **__: object) -> None:
    raise OSError("away")

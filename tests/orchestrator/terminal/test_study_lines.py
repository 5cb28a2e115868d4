"""What the terminal says of where a study and its trials stand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.budget import Spending
from orchestrator.ledger.cluster import ClusterState, Node, Noted
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State
from orchestrator.results.progress import Driver, FailedAlike, Progress, UnderWay
from orchestrator.results.summary import summarize
from orchestrator.spec.history import Change, Extension
from orchestrator.store.attempts import Attempt
from orchestrator.terminal import study_lines
from tests.orchestrator.example import told_trial, told_trials
from tests.orchestrator.terminal.printing import SPEC, lines_of, study

COMMANDS = {"resume": "espalier resume small", "logs": "espalier logs small"}


def test_counts_name_the_states_that_occur() -> None:
    assert study_lines.counts(summarize(SPEC, [])) == "0 of 12 trials done"
    records = [*told_trials(8), replace(told_trial(8), state=State.PAUSED), replace(told_trial(9), share=0.5)]
    assert study_lines.counts(summarize(SPEC, records)) == (
        "9 of 12 trials done: 6 complete, 2 stopped early, 1 failed, 1 paused, 1 from before the epochs were raised"
    )
    refused = replace(told_trial(1), feasible=False)
    assert study_lines.counts(summarize(SPEC, [refused])).endswith("1 complete, 1 missing a constraint")


def test_failures_for_the_same_reason_share_a_line_and_one_command_shows_more() -> None:
    alike = (FailedAlike(Failure.ERROR, "unlucky", (3, 5)), FailedAlike(Failure.INFEASIBLE, "too few", (4,)))
    assert [line.plain for line in study_lines.failures(alike, "espalier logs small")] == [
        "failed: 2 trials (3, 5): unlucky",
        "failed: trial 4: too few",
        "what a trial printed: espalier logs small 3",
    ]
    assert study_lines.failures([], "espalier logs small") == []


def test_a_failed_trial_says_its_kind_and_why() -> None:
    assert lines_of(study_lines.trial_lines(SPEC, replace(told_trial(6), attempts=2), 2)) == [
        "trial 6 of example: FAIL (error) at 25% of its budget, 2 attempts",
        "lottery_ticket sparsity=0.469 scope=global rounds=1",
        "accuracy is NaN",
    ]


def test_a_trial_that_printed_nothing_says_so() -> None:
    *_, last = lines_of(study_lines.trial_lines(SPEC, told_trial(0), 0))
    assert last == "It has printed and logged nothing."
    assert lines_of(study_lines.trial_lines(SPEC, told_trial(0), 1))[-1] == "dense"


def test_an_attempt_is_headed_by_its_folder_and_its_last_line() -> None:
    attempt = Attempt(Path("trials/00003-1"), datetime.now(UTC) - timedelta(hours=2, minutes=5, seconds=30), "", "")
    heading = study_lines.attempt_heading(attempt)
    assert heading.startswith("--- trials/00003-1, last line 2")
    assert heading.endswith(" (2 h 5 min ago)")


def test_a_study_that_ended_says_how_and_how_to_resume_it() -> None:
    records = told_trials(8)
    lines = lines_of(study_lines.status_lines(summarize(SPEC, records), records, **COMMANDS))
    assert lines[0] == "small: unfinished; to resume it: espalier resume small"
    assert lines[2].startswith("best: validation accuracy 99.00 % (trial 0), effective MACs ")
    assert lines[3].startswith("front: 6 trials, hypervolume 0.")
    assert lines[-3:] == [
        "training time over all trials: 27.0 s",
        "failed: trial 6: accuracy is NaN",
        "what a trial printed: espalier logs small 6",
    ]
    done = summarize(study(trials=8), records)
    assert lines_of(study_lines.status_lines(done, records, **COMMANDS))[0] == "small: done"


NOW = datetime.now(UTC)


def progress(**known: Any) -> Progress:
    plain: dict[str, Any] = {
        "spec": SPEC,
        "summary": summarize(SPEC, told_trials(4)),
        "driven": True,
        "driver": None,
        "under_way": (),
        "paused": {},
        "failures": (),
        "rate": None,
        "seconds_left": None,
        "spent": Spending(),
        "cluster": None,
        "history": (),
    }
    return Progress(**{**plain, **known})


def progress_of(**known: Any) -> list[str]:
    return lines_of(study_lines.progress_lines(progress(**known), **COMMANDS))


def test_a_driver_is_named_with_its_last_sign_of_life() -> None:
    driver = Driver(17, "here", NOW - timedelta(hours=1), NOW - timedelta(minutes=2))
    running = progress_of(driver=driver)
    assert running[0] == "small: running"
    assert running[1].startswith("driven by process 17 on here since 2")
    assert "; last sign of life 2" in running[1]
    over = progress_of(driver=driver, driven=False)
    assert over[0] == "small: unfinished; to resume it: espalier resume small"
    assert over[1].startswith("was driven by process 17 on here; last sign of life 2")


def test_running_trials_show_their_last_epoch_and_their_machine() -> None:
    begun = UnderWay(5, "magnitude", 2, 4, 0.75, images_per_second=12_345.0, peak_memory=432e6, node="10.0.0.2")
    waiting = UnderWay(6, "dense", 0, 4, None)
    lines = progress_of(under_way=(begun, waiting))
    assert (
        "running: trial 5 magnitude, epoch 2 of 4, validation accuracy 75.00 %, "
        "12.3 k samples/s, peak memory 432 MB, on 10.0.0.2"
    ) in lines
    assert "running: trial 6 dense, epoch 0 of 4" in lines
    assert "interrupted: trial 6 dense, epoch 0 of 4" in progress_of(under_way=(waiting,), driven=False)


def test_the_use_of_a_device_is_that_of_the_gpus_where_trials_have_some() -> None:
    begun = UnderWay(5, "magnitude", 2, 4, 0.75, device_use=0.934)
    assert any(line.endswith("CPU 93 % in use") for line in progress_of(under_way=(begun,)))
    spec = study(resources={"cpus": 1, "gpus": 0.5})
    assert any(line.endswith("GPU 93 % in use") for line in progress_of(under_way=(begun,), spec=spec))


def test_a_cluster_counts_its_nodes_and_what_is_in_use_while_somebody_drives() -> None:
    state = ClusterState(nodes=(Node("a", 4.0, 0.0),), gone=0, cpus_in_use=2.5, gpus_in_use=0.0)
    (line,) = [line for line in progress_of(cluster=Noted(state, NOW, {})) if line.startswith("cluster")]
    assert line.startswith("cluster: 1 node alive, 2.5 of 4 CPUs in use; so since 2")
    assert not [line for line in progress_of(cluster=Noted(state, NOW, {}), driven=False) if "cluster" in line]


def test_paused_trials_are_listed_by_epoch() -> None:
    lines = progress_of(paused={1: (4,), 2: (5, 7)})
    assert "paused: trial 4 at epoch 1" in lines
    assert "paused: 2 trials (5, 7) at epoch 2" in lines


@pytest.mark.parametrize(
    ("rate", "left", "line"),
    [
        (99.6, None, "rate: 100 trials an hour"),
        (1234.5, 90.0, "rate: 1,230 trials an hour, about 1 min 30 s left"),
        (0.0512, None, "rate: 0.051 trials an hour"),
    ],
)
def test_the_rate_is_never_a_power_of_ten(rate: float, left: float | None, line: str) -> None:
    assert line in progress_of(rate=rate, seconds_left=left)


def test_what_was_spent_stands_beside_what_is_allowed_of_it() -> None:
    resources = {"cpus": 1, "gpus": 1, "price_per_hour": 2}
    spec = study(budget={"hours": 2, "device_hours": 8000, "money": 2_000_000}, resources=resources)
    spent = Spending(seconds=1800, device_seconds=1500 * 3600, money=1234.5)
    assert progress_of(spec=spec, spent=spent)[-1] == (
        "spent: 30 min 0 s of running (allowed: 2 h), 1,500 GPU-hours (allowed: 8,000 GPU-hours), "
        "1,234.50 of money (allowed: 2,000,000)"
    )
    assert progress_of()[-1] == "spent: 0.0 s of running, 0 CPU-hours"


def test_a_study_without_a_front_says_why_once_a_trial_is_finished() -> None:
    failed = [told_trial(6)]
    reason = "No trial is on the front yet: all 1 trials failed, trial 6 with accuracy is NaN"
    assert reason in progress_of(summary=summarize(SPEC, failed))
    assert not [line for line in progress_of(summary=summarize(SPEC, [])) if "No trial" in line]


def test_extensions_are_shown_oldest_first() -> None:
    history = tuple(Extension(f"2026-03-0{day}", (Change("search.trials", day, day + 1),)) for day in (1, 2))
    assert [line for line in progress_of(history=history) if line.startswith("extended")] == [
        "extended 2026-03-01: search.trials: 1 -> 2",
        "extended 2026-03-02: search.trials: 2 -> 3",
    ]


def test_what_ran_when_the_driver_ended_is_interrupted_and_not_running() -> None:
    summary = summarize(SPEC, [replace(told_trial(0), state=State.RUNNING)])
    assert "0 of 12 trials done: 1 running" in progress_of(summary=summary)
    assert "0 of 12 trials done: 1 interrupted" in progress_of(summary=summary, driven=False)
    assert "0 of 12 trials done: 1 interrupted" in lines_of(study_lines.status_lines(summary, [], **COMMANDS))

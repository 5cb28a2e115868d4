"""What the terminal shows of fronts, progress, trials and paradigms."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from orchestrator.ledger.budget import Spending
from orchestrator.ledger.cluster import ClusterState, Node, Noted
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.cost_kinds import with_physical_costs
from orchestrator.results.progress import Driver, FailedAlike, Progress, UnderWay
from orchestrator.results.shares_of_front import holdings
from orchestrator.results.summary import summarize
from orchestrator.spec.history import Change, Extension
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import Attempt
from orchestrator.terminal import tables
from tests.orchestrator import small
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from trainables import paradigms

COMMANDS = {"resume": "espalier resume small", "logs": "espalier logs small"}


def study(**changes: Any) -> StudySpec:
    searched = {"dense": {}, "magnitude": {"scope": "global"}, "lottery_ticket": {}}
    return small.study(**{"trials": 12, "objectives": OBJECTIVES, "paradigms": searched, **changes})


SPEC = study()


def printed(shown: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=250)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines_of(shown: RenderableType) -> list[str]:
    return [line.rstrip() for line in printed(shown).splitlines()]


def trials_in(text: str) -> list[int]:
    """Return the numbers of the trials that a table of a front lists."""
    return [int(line.split()[0]) for line in text.splitlines() if line[:7].strip().isdigit()]


def complete(trial: int, accuracy: float, macs: float) -> TrialRecord:
    return replace(told_trial(1), trial=trial, metrics={"accuracy": accuracy, "macs": macs})


def test_a_front_is_listed_best_first_with_its_share_of_the_dense_network() -> None:
    text = printed(tables.front_table(SPEC, told_trials(4)))
    assert "Pareto front of small: 4 of 4 complete trials" in text
    assert trials_in(text) == [0, 1, 2, 3]
    row = next(line for line in text.splitlines() if line.lstrip().startswith("1 "))
    assert "1.11 M (90.0%)" in row
    assert "sparsity=0.1 rounds=2" in row
    assert "scope" not in row


def test_the_dense_network_is_the_first_row_though_others_dominate_it() -> None:
    better = replace(told_trial(1), metrics={**told_trial(1).metrics, "accuracy": 0.995, "test_accuracy": 0.97})
    text = printed(tables.front_table(SPEC, [told_trial(0), better]))
    assert "Pareto front of small: 1 of 2 complete trials" in text
    assert trials_in(text) == [0, 1]
    first, second = [line for line in text.splitlines() if line[:7].strip().isdigit()]
    assert "dense (reference)" in first
    assert "not on the front" in first
    assert "99.50 %" in second
    assert " -0.50 " in second
    assert "1.11-fold fewer effective MACs within 1 point of the dense validation accuracy: trial 1 magnitude" in text


def test_without_a_dense_trial_no_accuracy_is_invented() -> None:
    text = printed(tables.front_table(SPEC, [told_trial(1)]))
    assert "No reference: no dense trial has finished yet" in text
    assert "drop" not in text
    undense = study(paradigms={"magnitude": {}})
    assert "the study has no paradigm `dense`" in printed(tables.front_table(undense, [told_trial(1)]))


def test_a_front_says_over_which_costs_it_is_and_names_the_front_over_the_others() -> None:
    masked = {**told_trial(1).metrics, "macs_physical": 1.23e6, "params_physical": 29_800.0}
    removed = {**masked, "accuracy": 0.9, "macs_physical": 0.9e6, "params_physical": 20_000.0}
    records = [replace(told_trial(1), trial=number, metrics=m) for number, m in ((1, masked), (2, removed))]
    text = printed(tables.front_table(SPEC, records))
    assert "over effective costs" in text
    assert "physical MACs" in text
    assert "over physical costs: only what was removed counts as gone: trials 1, 2; --physical shows it" in text
    text = printed(tables.front_table(with_physical_costs(SPEC), records))
    assert "over physical costs" in text
    assert trials_in(text) == [1, 2]


def test_a_front_too_long_to_be_read_is_shown_by_members_spread_over_it() -> None:
    ties = [complete(number, 0.9, 500.0) for number in range(tables.MOST_ROWS)]
    others = [complete(number, 0.9 - number / 10_000, 500.0 - number) for number in range(1000, 1100)]
    text = printed(tables.front_table(SPEC, [*ties, *others]))
    shown_trials = trials_in(text)
    assert len(shown_trials) == tables.MOST_ROWS
    assert set(range(1000, 1100)) < set(shown_trials)
    assert f"{tables.MOST_ROWS} of {tables.MOST_ROWS + 100} members" in text


def test_a_front_has_columns_for_what_was_measured_alone() -> None:
    text = printed(tables.front_table(SPEC, [complete(0, 0.9, 500.0)]))
    assert "effective MACs" in text
    assert "test" not in text
    assert "effective parameters" not in text


def test_an_objective_beyond_the_usual_columns_has_its_own() -> None:
    spec = study(objectives={"accuracy": "maximize", "bytes": "minimize"})
    record = replace(told_trial(0), metrics={**told_trial(0).metrics, "bytes": 4e6})
    assert "4.00 M" in printed(tables.front_table(spec, [record]))


def test_without_a_front_the_reason_is_shown_instead() -> None:
    assert lines_of(tables.front_table(SPEC, [])) == ["No trial is on the front yet"]


def test_a_paradigm_without_members_shows_dashes_and_stands_last() -> None:
    worse = replace(complete(9, 0.5, 2e6), paradigm="lottery_ticket")
    held = holdings([complete(0, 0.9, 500.0), complete(1, 0.8, 100.0), worse], OBJECTIVES)
    *_, first, last = [line.split() for line in lines_of(tables.holdings_table(held, ["macs"])) if line]
    assert first == ["magnitude", "2", "2", "100", "to", "500"]
    assert last == ["lottery_ticket", "0", "1", "-"]


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ({"macs": 5e5, "macs_dense": 1e6}, "500 k (50.0%)"),
        ({"macs": 5e5}, "500 k"),
        ({"macs": 5e5, "macs_dense": 0.0}, "500 k"),
        ({"macs_dense": 1e6}, "-"),
        ({}, "-"),
    ],
)
def test_a_measurement_has_its_share_of_the_dense_network_where_that_is_known(
    metrics: dict[str, float], text: str
) -> None:
    assert tables.measured("macs", metrics) == text


def test_a_configuration_shows_what_was_searched_and_not_what_the_study_fixes() -> None:
    spec = study(paradigms={"magnitude": {"scope": "global", "sparsity": {"low": 0.1, "high": 0.9}, "rounds": [2, 3]}})
    record = replace(told_trial(1), params={"scope": "global", "sparsity": 0.54321, "rounds": 2, "stream": True})
    assert tables.configuration(spec, record) == "sparsity=0.543 rounds=2 stream=true"
    assert tables.configuration(spec, replace(record, paradigm="unknown")).startswith("scope=global ")


def test_trials_that_differ_in_their_epochs_are_comparable_in_fewer_setups() -> None:
    one, other = (
        replace(told_trial(number), metrics={"pretrain_epochs": 2.0, "finetune_epochs": epochs, "total_epochs": 4.0})
        for number, epochs in ((1, 1.0), (2, 2.0))
    )
    assert tables.comparability([one, one]) == "comparable in S1, S2, S3.1, S3.2, S4.1, SX-A, SX-B"
    assert tables.comparability([one, other]) == "comparable in S1, S2, SX-A, SX-B; they differ in finetune epochs"
    third = replace(one, params={**one.params, "model": "mlp"})
    assert tables.comparability([one, third]) == "comparable in no setup; they differ in model"


def test_counts_name_the_states_that_occur() -> None:
    assert tables.counts(summarize(SPEC, [])) == "0 of 12 trials done"
    records = [*told_trials(8), replace(told_trial(8), state=State.PAUSED), replace(told_trial(9), share=0.5)]
    assert tables.counts(summarize(SPEC, records)) == (
        "9 of 12 trials done: 6 complete, 2 stopped early, 1 failed, 1 paused, 1 from before the epochs were raised"
    )
    refused = replace(told_trial(1), feasible=False)
    assert tables.counts(summarize(SPEC, [refused])).endswith("1 complete, 1 missing a constraint")


def test_failures_for_the_same_reason_share_a_line_and_one_command_shows_more() -> None:
    alike = (FailedAlike(Failure.ERROR, "unlucky", (3, 5)), FailedAlike(Failure.INFEASIBLE, "too few", (4,)))
    assert [line.plain for line in tables.failures(alike, "espalier logs small")] == [
        "failed: 2 trials (3, 5): unlucky",
        "failed: trial 4: too few",
        "what a trial printed: espalier logs small 3",
    ]
    assert tables.failures([], "espalier logs small") == []


def test_a_failed_trial_says_its_kind_and_why() -> None:
    assert lines_of(tables.trial_lines(SPEC, replace(told_trial(6), attempts=2), 2)) == [
        "trial 6 of example: FAIL (error) at 25% of its budget, 2 attempts",
        "lottery_ticket sparsity=0.469 scope=global rounds=1",
        "accuracy is NaN",
    ]


def test_a_trial_that_printed_nothing_says_so() -> None:
    *_, last = lines_of(tables.trial_lines(SPEC, told_trial(0), 0))
    assert last == "It has printed and logged nothing."
    assert lines_of(tables.trial_lines(SPEC, told_trial(0), 1))[-1] == "dense"


def test_an_attempt_is_headed_by_its_folder_and_its_last_line() -> None:
    attempt = Attempt(Path("trials/00003-1"), datetime.now(UTC) - timedelta(hours=2, minutes=5, seconds=30), "", "")
    heading = tables.attempt_heading(attempt)
    assert heading.startswith("--- trials/00003-1, last line 2")
    assert heading.endswith(" (2 h 5 min ago)")


def test_a_study_that_ended_says_how_and_how_to_resume_it() -> None:
    records = told_trials(8)
    lines = lines_of(tables.status_lines(summarize(SPEC, records), records, **COMMANDS))
    assert lines[0] == "small: unfinished; to resume it: espalier resume small"
    assert lines[2].startswith("best: validation accuracy 99.00 %, effective MACs ")
    assert lines[3].startswith("front: 6 trials, hypervolume 0.")
    assert lines[-3:] == [
        "training time over all trials: 27.0 s",
        "failed: trial 6: accuracy is NaN",
        "what a trial printed: espalier logs small 6",
    ]
    done = summarize(study(trials=8), records)
    assert lines_of(tables.status_lines(done, records, **COMMANDS))[0] == "small: done"


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
    return lines_of(tables.progress_lines(progress(**known), **COMMANDS))


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
        "12.3 k images/s, peak memory 432 MB, on 10.0.0.2"
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


def test_paradigms_are_listed_with_their_hyper_parameters_and_source() -> None:
    text = printed(tables.paradigm_table({name: paradigms.find(name) for name in ("dense", "magnitude")}))
    row = next(line for line in text.splitlines() if line.strip().startswith("magnitude"))
    assert "sparsity" in row
    assert paradigms.find("dense").source[:20] in text


def test_a_front_of_networks_that_others_have_trained_says_so() -> None:
    spec = study(model={"name": "digits_cnn", "weights": "trial:first/2"})
    assert "the training of trial:first/2, from which networks start, is not counted" in printed(
        tables.front_table(spec, told_trials(6))
    )
    assert "is not counted" not in printed(tables.front_table(SPEC, told_trials(6)))

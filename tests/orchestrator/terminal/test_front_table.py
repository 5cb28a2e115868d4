"""What the terminal shows of a front."""

from dataclasses import replace

import pytest

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.cost_kinds import with_physical_costs
from orchestrator.results.shares_of_front import holdings
from orchestrator.terminal import front_table
from orchestrator.terminal.tables import MOST_ROWS
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.terminal.printing import SPEC, lines_of, printed, study


def trials_in(text: str) -> list[int]:
    """Return the numbers of the trials that a table of a front lists."""
    return [int(line.split()[0]) for line in text.splitlines() if line[:5].strip().isdigit()]


def complete(trial: int, accuracy: float, macs: float) -> TrialRecord:
    return replace(told_trial(1), trial=trial, metrics={"accuracy": accuracy, "macs": macs})


def test_a_front_is_listed_best_first_with_its_share_of_the_dense_network() -> None:
    text = printed(front_table.front_table(SPEC, told_trials(4)))
    assert "Pareto front of small: 4 of 4 complete trials" in text
    assert trials_in(text) == [0, 1, 2, 3]
    row = next(line for line in text.splitlines() if line.lstrip().startswith("1 "))
    assert "1.11 M 1.1x" in row
    assert "sparsity=0.1 rounds=2" in row
    assert "scope" not in row


def test_the_dense_network_is_the_first_row_though_others_dominate_it() -> None:
    better = replace(told_trial(1), metrics={**told_trial(1).metrics, "accuracy": 0.995, "test_accuracy": 0.97})
    text = printed(front_table.front_table(SPEC, [told_trial(0), better]))
    assert "Pareto front of small: 1 of 2 complete trials" in text
    assert trials_in(text) == [0, 1]
    first, second = [line for line in text.splitlines() if line[:5].strip().isdigit()]
    assert "dense (reference)" in first
    assert "The reference, trial 0, is not on the front." in text
    assert "99.50 %" in second
    assert " -0.50 " in second
    assert "1.11-fold fewer effective MACs within 1 point of the dense validation accuracy: trial 1 magnitude" in text


def test_without_a_dense_trial_no_accuracy_is_invented() -> None:
    text = printed(front_table.front_table(SPEC, [told_trial(1)]))
    assert "No reference: no dense trial has finished yet" in text
    assert "drop" not in text
    undense = study(paradigms={"magnitude": {}})
    assert "the study has no paradigm `dense`" in printed(front_table.front_table(undense, [told_trial(1)]))


def test_a_front_says_over_which_costs_it_is_and_names_the_front_over_the_others() -> None:
    masked = {**told_trial(1).metrics, "macs_physical": 1.23e6, "params_physical": 29_800.0}
    removed = {**masked, "accuracy": 0.9, "macs_physical": 0.9e6, "params_physical": 20_000.0}
    records = [replace(told_trial(1), trial=number, metrics=m) for number, m in ((1, masked), (2, removed))]
    text = printed(front_table.front_table(SPEC, records))
    assert "over effective costs" in text
    assert "physical MACs" in text
    assert "over physical costs: only what was removed counts as gone: trials 1, 2; --physical shows it" in text
    text = printed(front_table.front_table(with_physical_costs(SPEC), records))
    assert "over physical costs" in text
    assert trials_in(text) == [1, 2]


def test_a_front_too_long_to_be_read_is_shown_by_members_spread_over_it() -> None:
    ties = [complete(number, 0.9, 500.0) for number in range(MOST_ROWS)]
    others = [complete(number, 0.9 - number / 10_000, 500.0 - number) for number in range(1000, 1100)]
    text = printed(front_table.front_table(SPEC, [*ties, *others]))
    shown_trials = trials_in(text)
    assert len(shown_trials) == MOST_ROWS
    assert set(range(1000, 1100)) < set(shown_trials)
    assert f"{MOST_ROWS} of {MOST_ROWS + 100} members" in text


def test_a_front_has_columns_for_what_was_measured_alone() -> None:
    text = printed(front_table.front_table(SPEC, [complete(0, 0.9, 500.0)]))
    assert "effective MACs" in text
    assert "test" not in text
    assert "effective parameters" not in text


def test_an_objective_beyond_the_usual_columns_has_its_own() -> None:
    spec = study(objectives={"accuracy": "maximize", "bytes": "minimize"})
    record = replace(told_trial(0), metrics={**told_trial(0).metrics, "bytes": 4e6})
    assert "4.00 M" in printed(front_table.front_table(spec, [record]))


def test_without_a_front_the_reason_is_shown_instead() -> None:
    assert lines_of(front_table.front_table(SPEC, [])) == ["No trial is on the front yet"]


def test_a_paradigm_without_members_shows_dashes_and_stands_last() -> None:
    worse = replace(complete(9, 0.5, 2e6), paradigm="lottery_ticket")
    held = holdings([complete(0, 0.9, 500.0), complete(1, 0.8, 100.0), worse], OBJECTIVES)
    *_, first, last = [line.split() for line in lines_of(front_table.holdings_table(held, ["macs"])) if line]
    assert first == ["magnitude", "2", "of", "2", "eligible", "100", "to", "500"]
    assert last == ["lottery_ticket", "0", "of", "1", "eligible", "-"]


def test_trials_that_differ_in_their_epochs_are_comparable_in_fewer_setups() -> None:
    one, other = (
        replace(told_trial(number), metrics={"pretrain_epochs": 2.0, "finetune_epochs": epochs, "total_epochs": 4.0})
        for number, epochs in ((1, 1.0), (2, 2.0))
    )
    assert front_table.comparability([one, one]) == "comparable in S1, S2, S3.1, S3.2, S4.1, SX-A, SX-B"
    assert front_table.comparability([one, other]) == "comparable in S1, S2, SX-A, SX-B; they differ in finetune epochs"
    third = replace(one, params={**one.params, "model": "mlp"})
    assert front_table.comparability([one, third]) == "comparable in no setup; they differ in model"


def test_a_front_of_networks_that_others_have_trained_says_so() -> None:
    spec = study(model={"name": "digits_cnn", "weights": "trial:first/2"})
    assert "the training of trial:first/2, from which networks start, is not counted" in printed(
        front_table.front_table(spec, told_trials(6))
    )
    assert "is not counted" not in printed(front_table.front_table(SPEC, told_trials(6)))


@pytest.mark.parametrize("width", [80, 120, 250])
def test_a_network_is_one_line_of_a_terminal_with_all_objectives(width: int) -> None:
    spec = study(objectives={**OBJECTIVES, "params": "minimize"})
    lines = printed(front_table.front_table(spec, told_trials(8)), width).splitlines()
    rows = [line for line in lines if line[:5].strip().isdigit()]
    assert [row.split()[0] for row in rows] == ["0", "1", "2", "3", "5", "7"]
    assert all(len(row.rstrip()) <= width and "1.23 M" in rows[0] and "29.8 k" in rows[0] for row in rows)
    assert any("sparsity=0.1" in row for row in rows) == (width == 250)


def test_hyper_parameters_follow_on_request_and_none_is_cut() -> None:
    text = printed(front_table.front_table(SPEC, told_trials(4), with_settings=True), 60)
    assert "Hyper-parameters, by trial" in text
    assert "sparsity=0.271 rounds=1" in text
    assert "Hyper-parameters" not in printed(front_table.front_table(SPEC, told_trials(4)), 60)


def test_a_front_over_one_objective_has_no_picture() -> None:
    drawn = "|"
    alone = study(objectives={"accuracy": "maximize"})
    assert drawn not in printed(front_table.front_table(alone, told_trials(4), with_picture=True))
    assert drawn in printed(front_table.front_table(SPEC, told_trials(4), with_picture=True))
